"""Runs the command line as a user's shell would, without a terminal."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


def initlab(*arguments: str, cwd: Path | None = None, **env: str) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from initlab.cli.main import run; run()", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "TERM": "dumb", "PYTHONPATH": str(Path(__file__).parents[2]), **env},
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
