"""Text from outside, made safe to show: no control character moves a cursor, no bidi mark turns a line around.

Names, questions, reasons and paths are other people's. What a terminal, Markdown, HTML or a spreadsheet would act on
instead of showing is written as Python writes it: ``\\x1b``, ``\\u202e``.
"""

import re
from html import escape as _html
from typing import Any

_UNSAFE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and newline: escape sequences, backspaces, carriage returns
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi: what comes after is shown in another order
    r"\u00ad\u200b\u2060-\u2064\ufeff\u206a-\u206f\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible
    r"\u2028\u2029"  # lines that only some programs end
    r"\ud800-\udfff"  # bytes of a path that are no text: nothing can print them
)
UNSAFE = re.compile(f"[{_UNSAFE}]")
_UNSAFE_IN_LINE = re.compile(f"[\\t\\n{_UNSAFE}]")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-](inf|nan)")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What begins a formula in some spreadsheet."""

_MARKDOWN = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_{}[]|#~"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)

LONGEST_SHOWN = 120
"""Characters of a wrong value in a message."""


def visible(text: str) -> str:
    """Return the text with every character that acts instead of being shown written out; lines and tabs stay."""
    return UNSAFE.sub(_written, text) if UNSAFE.search(text) else text


def one_line(text: str) -> str:
    """Return the same on one line: ends of lines and tabs are written out too."""
    return _UNSAFE_IN_LINE.sub(_written, text) if _UNSAFE_IN_LINE.search(text) else text


def brief(value: Any) -> str:
    """Return a wrong value for a message: on one line, and no longer than anybody reads."""
    if isinstance(value, int) and value.bit_length() > 4096:  # Python refuses to write out longer ones
        return f"a whole number of {value.bit_length():,} bits"
    if isinstance(value, list | tuple | set | frozenset | dict):
        return _brief_container(value)
    text = repr(value[: LONGEST_SHOWN + 1] if isinstance(value, str | bytes) else value)
    return one_line(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")


def _brief_container(value: Any) -> str:
    """A container may hold itself a billion times over: only short ones of plain values are written out."""
    parts = [part for pair in value.items() for part in pair] if isinstance(value, dict) else list(value)
    plain = len(parts) <= 32 and not any(isinstance(part, list | tuple | set | frozenset | dict) for part in parts)
    if plain and not any(isinstance(part, int) and part.bit_length() > 4096 for part in parts):
        text = one_line(repr(value))
        if len(text) <= LONGEST_SHOWN:
            return text
    return f"a {type(value).__name__} of {len(value):,}"


def markdown(text: str) -> str:
    """Return the text on one line, with everything that Markdown or HTML would read as markup made plain."""
    return visible(" ".join(text.split())).translate(_MARKDOWN)


def html(text: str) -> str:
    """Return the text as it stands between tags or in a quoted attribute."""
    return _html(visible(text), quote=True)


def csv_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet runs: text that begins like a formula and is no number gets a quote."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def json_text(text: str) -> str:
    """Return a JSON text with unsafe characters as JSON's own escapes, which mean the same to who parses it."""
    return UNSAFE.sub(_json_escape, text) if UNSAFE.search(text) else text


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[match[0]]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
