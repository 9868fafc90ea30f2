"""Where the command line prints, and how it ends on a mistake."""

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


def test_a_bug_is_not_a_mistake() -> None:
    @guarded
    def command() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        command()


def test_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": "ü"})
    assert capsys.readouterr().out == '{\n "a": "ü"\n}\n'
    with pytest.raises(ValueError, match="Out of range float values"):
        print_json({"a": float("nan")})
