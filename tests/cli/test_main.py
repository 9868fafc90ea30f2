"""The command itself: help, version, and no torch before it is needed."""

import subprocess
import sys

from tests.cli.run import initlab


def test_help_names_every_command() -> None:
    out = initlab("--help").out
    for command in ("sweep", "report", "gate", "claims", "status", "list", "explain", "doctor"):
        assert command in out
        assert initlab(command, "--help").code == 0


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
