"""Whether a person watches: a terminal, and no CI."""

import io
import json
import sys

import pytest
from rich.table import Table
from rich.text import Text

from initlab.api.terminal import SafeConsole, document_text, is_interactive


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert is_interactive()
    monkeypatch.setenv("CI", "true")
    assert not is_interactive()
    monkeypatch.delenv("CI")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not is_interactive()


HOSTILE = "\x1b[2J\x1b]0;title\x07\u202egnp.exe\r\x08"
SHOWN = r"\x1b[2J\x1b]0;title\x07\u202egnp.exe\r\x08"


def shown(*things: object, **how: bool) -> str:
    stream = io.StringIO()
    SafeConsole(file=stream, width=120).print(*things, **how)  # type: ignore[arg-type]
    return stream.getvalue()


def test_no_text_acts_on_a_terminal() -> None:
    table = Table(HOSTILE)
    table.add_row(HOSTILE)
    for thing in (HOSTILE, Text(HOSTILE), table):
        out = shown(thing, markup=False)
        assert r"\x1b[2J" in out
        assert not {"\x1b", "\u202e", "\x07", "\r"} & set(out)
    assert shown(HOSTILE, markup=False) == f"{SHOWN}\n"


def test_our_own_styles_still_do() -> None:
    stream = io.StringIO()
    SafeConsole(file=stream, force_terminal=True, color_system="standard").print("[bold]x[/]")
    assert stream.getvalue() == "\x1b[1mx\x1b[0m\n"


def test_a_colon_is_no_emoji() -> None:
    assert shown("--plugin p.py:x cannot", markup=False) == "--plugin p.py:x cannot\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", None])
def test_a_document_is_the_same_in_every_encoding(encoding: str | None) -> None:
    document = {"x": f"· {HOSTILE} \ud800 日"}
    text = document_text(document, encoding)
    assert json.loads(text.encode(encoding or "utf-8")) == document
    assert "\u202e" not in text
