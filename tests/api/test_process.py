"""A command's process: garbage, streams that cannot hold a character, arguments that name nothing."""

import codecs
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from initlab.api.process import (
    SIZES,
    collect_garbage_seldom,
    degrade,
    empty_argument,
    plain_usage_error,
    tidy_environment,
)


def test_the_threshold_is_far_above_pythons_own() -> None:
    before = gc.get_threshold()
    try:
        collect_garbage_seldom()
        assert gc.get_threshold()[0] > 10 * 2000
    finally:
        gc.set_threshold(*before)


def test_a_likeness_stands_for_what_an_encoding_lacks() -> None:
    codecs.register_error("initlab.test", degrade)
    assert "gpt2 · ×2 ± σ…".encode("ascii", "initlab.test") == rb"gpt2 - x2 + s."
    assert "日\ud800\u2801".encode("ascii", "initlab.test") == rb"\u65e5\ud800."
    assert "\ud800·".encode("utf-8", "initlab.test") == rb"\ud800" + "·".encode()
    with pytest.raises(UnicodeDecodeError):
        degrade(UnicodeDecodeError("utf-8", b"", 0, 0, ""))


@pytest.mark.parametrize("arguments", [["sweep", "-o", ""], ["sweep", "--out="], ["status", " "], [""]])
def test_an_argument_that_names_nothing(arguments: list[str]) -> None:
    assert empty_argument(arguments) is not None


def test_arguments_that_name_something() -> None:
    assert empty_argument(["sweep", "--set", "train.lr=1", "--set=x=", "-o", ".", "-"]) is None


def test_a_message_about_flags_repeats_nothing_that_acts() -> None:
    error = RuntimeError()
    error.message = "no option --\x1b[2J"  # type: ignore[attr-defined]
    plain_usage_error(error)
    assert error.message == "no option --\\x1b[2J"  # type: ignore[attr-defined]
    plain_usage_error(RuntimeError("without one"))


@pytest.mark.parametrize("text", ["0", "-1", "x", "²", "", "1000000000", "9" * 5000, "10001"])
def test_a_terminal_of_no_size_is_not_believed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SIZES:
        monkeypatch.setenv(name, text)
    tidy_environment()
    assert not {*SIZES} & {*os.environ}


def test_what_people_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "132")
    monkeypatch.setenv("MATPLOTLIBRC", "/dev/zero")
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    tidy_environment()
    assert os.environ["COLUMNS"] == "132"
    assert not {"MATPLOTLIBRC", "MPLBACKEND"} & {*os.environ}


ENDS = "import sys; from initlab.cli.main import run; run()"


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_other_end(closed: str, tmp_path: Path) -> None:
    """Not 1, which would be a red gate, and nothing that is printed gets into a file that has the number."""
    shell = ["sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-P", "-c", ENDS, "status", "absent"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(shell, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_matplotlibrc_beside_the_command_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "matplotlibrc")  # which would be waited for
    code = "from initlab.api.process import tidy_environment; tidy_environment(); import matplotlib.figure"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env=env, timeout=60).returncode == 0
