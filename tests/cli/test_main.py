"""The command itself: help, version, and no torch before it is needed."""

import subprocess
import sys

import pytest

from initlab.cli.main import COMMANDS, load
from tests.cli.run import initlab


def test_help_names_every_command() -> None:
    out = initlab("--help").out
    for command in COMMANDS:
        assert command in out
        assert initlab(command, "--help").code == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_line_a_command_has_in_the_help_is_its_own(command: str) -> None:
    paragraph = (load(command).__doc__ or "").split("\n\n")[0]
    assert COMMANDS[command][1] == " ".join(paragraph.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["swep"]])
def test_a_command_that_is_not_called_is_not_loaded(arguments: list[str]) -> None:
    code = (
        "import sys; from initlab.cli.main import app\n"
        f"try:\n    app({arguments!r})\nexcept SystemExit:\n    print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'initlab.cli.main'" in done.stdout
    assert not [name for name in ("numpy", "initlab.spec.run", "initlab.cli.sweep") if f"'{name}'" in done.stdout]


def test_a_misspelt_command_is_corrected() -> None:
    done = initlab("swep")
    assert done.code == 2
    assert "sweep" in done.err


def test_the_command_line_does_not_import_torch_or_plotting() -> None:
    code = (
        "import sys; import initlab.cli.main;"
        "print([m for m in ('torch', 'matplotlib', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
