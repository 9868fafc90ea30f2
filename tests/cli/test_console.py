"""Where the command line prints, and how it ends on a mistake."""

from pathlib import Path

import pytest
import typer

from initlab.cli.console import guarded, print_json
from initlab.errors import InitlabError


def test_a_mistake_is_one_message_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    @guarded
    def command() -> None:
        raise InitlabError("no field [x]")

    with pytest.raises(typer.Exit) as end:
        command()
    assert end.value.exit_code == 2
    assert capsys.readouterr().err == "error: no field [x]\n"


def ends_with(error: BaseException) -> int:
    @guarded
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as end:
        command()
    return int(end.value.exit_code)


def test_a_bug_is_one_line_a_log_and_exit_code_70(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for error in (ValueError("a bug"), RecursionError(), MemoryError()):
        assert ends_with(error) == 70
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "Traceback" not in err
        (log,) = (tmp_path / "initlab" / "failures").glob("*.log")
        assert str(log) in err
        assert type(error).__name__ in log.read_text()
        log.unlink()


def test_what_the_system_refuses_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with(PermissionError(13, "Permission denied", "results/x")) == 2
    assert capsys.readouterr().err == "error: results/x: Permission denied\n"


def test_an_interrupt_is_no_red_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_errors_are_no_markup_and_not_endless(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends_with(InitlabError(r"a\[/foo] :smile: \x1b[2J".replace(r"\x1b", "\x1b"))) == 2
    assert capsys.readouterr().err == "error: a\\[/foo] :smile: \\x1b[2J\n"
    assert ends_with(InitlabError("x" * 10**6)) == 2
    assert len(capsys.readouterr().err) < 5000


def test_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": "ü"})
    assert capsys.readouterr().out == '{\n "a": "ü"\n}\n'
    with pytest.raises(ValueError, match="Out of range float values"):
        print_json({"a": float("nan")})
