"""Every file of the package is imported, whatever it is called."""

import subprocess
import sys
from pathlib import Path

import initlab
from initlab.adapters import families


def test_all_files_beside_it_are_imported() -> None:
    files = {path.stem for path in Path(families.__file__).parent.glob("*.py")} - {"__init__"}
    code = "import sys, initlab.adapters.families\nprint(*sys.modules)"
    root = str(Path(initlab.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": root}
    )
    imported = set(done.stdout.split())
    assert {f"initlab.adapters.{name}" for name in files} <= imported
    assert "initlab.model.gpt" not in imported
