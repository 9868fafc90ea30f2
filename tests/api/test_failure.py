"""An error that nobody foresaw: one line, a log that has the rest, an exit code of its own."""

import tempfile
from pathlib import Path

import pytest

from initlab.api.failure import LONGEST_MESSAGE, describe_failure, log_failure, shortened


def failing() -> Exception:
    try:
        empty: dict[str, int] = {}
        _ = empty["highest"]
    except KeyError as error:
        return error
    raise AssertionError


def test_the_log_has_the_traceback_and_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TOKEN", "secret")
    log = log_failure(failing(), ["status", "a\ud800"])
    assert log is not None
    assert log.parent == tmp_path / "initlab" / "failures"
    text = log.read_text()
    assert "Traceback" in text
    assert "KeyError: 'highest'" in text
    assert "'status'" in text
    assert "secret" not in text
    assert log != log_failure(failing(), [])


def test_no_place_for_a_log_is_no_second_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    assert log_failure(failing(), []) is None


def test_the_line_is_one() -> None:
    line = describe_failure(ValueError("first\nsecond"), Path("/x.log"))
    assert line.startswith("unexpected ValueError: first; the traceback is in /x.log")
    assert "\n" not in line
    assert describe_failure(MemoryError(), None).startswith("out of memory; its traceback could be written nowhere")


def test_a_long_message_is_cut_where_nobody_reads_on() -> None:
    assert shortened("as it is") == "as it is"
    assert len(shortened(f"unknown init {'x' * 10**6}")) < 300
    assert shortened("word " * 10_000).endswith("(46,000 characters more)")
    assert len(shortened("word " * 10_000)) < LONGEST_MESSAGE + 50
