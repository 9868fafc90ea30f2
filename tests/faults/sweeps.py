"""Sweeps as a user runs them, in processes of their own that are killed, stopped, raced and starved."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from initlab.store.lock import is_held
from tests.tiny import stored_bytes

# A background job of a shell inherits an ignored Ctrl-C; these sweeps are to feel it wherever the tests run.
FEELS_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = [sys.executable, "-P", "-c", f"{FEELS_INTERRUPTS}; from initlab.cli.main import run; run()"]
SIZES = ["--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "1"]
SMALL = [*SIZES, "--eval-batches", "1", "--activation", "gelu", "--init", "gpt2"]

PATIENCE = 240.0
"""Seconds that a busy machine is given; nothing here waits for them where all is well."""


class Sweep:
    """One ``initlab sweep`` of a few small runs, the leader of a process group of its own."""

    begun: ClassVar[list["Sweep"]] = []
    """All of them, to be ended where a test fails halfway: a stopped one would stay for ever."""

    def __init__(
        self,
        folder: Path,
        *more: str,
        seeds: int = 3,
        steps: int = 600,
        jobs: int = 1,
        before: Sequence[str] = (),
    ) -> None:
        how = ["--seeds", str(seeds), "--steps", str(steps), "--jobs", str(jobs), "--lanes", "1"]
        self.process = subprocess.Popen(
            [*before, *COMMAND, "sweep", *SMALL, *how, "-o", str(folder), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "CI": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
            start_new_session=True,
        )
        self.begun.append(self)

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the sweep and its workers at once."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def line(self, part: str) -> str:
        """Wait for a line that has this part and return it; raises AssertionError where its output ends before."""
        assert self.process.stdout is not None
        found = next((line for line in self.process.stdout if part in line), None)
        assert found is not None, f"it never said {part!r}"
        return found

    def end(self, patience: float = PATIENCE) -> tuple[int, str]:
        """Wait for its end and return exit code and output; one that outlives its time is killed and raises."""
        try:
            output, _ = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.signal_all(signal.SIGKILL)
            raise
        return self.process.returncode, output

    def workers(self) -> list[int]:
        """Return the pids of its workers that are no zombies."""
        asked = ["ps", "-o", "pid=,stat=,args=", "--ppid", str(self.pid)]
        lines = [
            line.split(maxsplit=2)
            for line in subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
        ]
        return [int(pid) for pid, stat, args in lines if "launchers.worker" in args and not stat.startswith("Z")]


def end_all() -> None:
    """Kill whatever still runs of the sweeps that were begun."""
    for sweep in Sweep.begun:
        if sweep.process.poll() is None:
            sweep.signal_all(signal.SIGKILL)
    Sweep.begun.clear()


def finished(folder: Path) -> str:
    """Run the sweep to its end and return what it said."""
    code, output = Sweep(folder).end()
    assert code == 0, output
    return output


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for something to happen; raises AssertionError where it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def started(folder: Path) -> int:
    """Return how many runs have begun to be trained."""
    return len(list(folder.glob("runs/*/attempt-*/metrics.jsonl"))) + ended(folder)


def in_training(folder: Path) -> list[Path]:
    """Return the runs that a living process writes rows of."""
    writing = folder.glob("runs/*/attempt-*/metrics.jsonl")
    return [path.parents[1] for path in writing if is_held(path.parents[1] / ".lock")]


def ended(folder: Path) -> int:
    return len(list(folder.glob("runs/*/summary.json")))


def faults(folder: Path, right: dict[str, bytes]) -> list[str]:
    """Say what of a finished sweep differs from one that nothing happened to, and what lies about."""
    found = [] if stored_bytes(folder) == right else ["other bytes"]
    hidden = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith((".", "attempt-"))]
    found += [f"left behind: {hidden}"] if hidden else []
    found += ["quarantine"] if (folder / "quarantine").exists() else []
    for log in folder.glob("runs/*/log.txt"):
        if (times := log.read_text().count(" finished")) > 1:
            found.append(f"{log.parent.name} finished {times} times")
    return found


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder
