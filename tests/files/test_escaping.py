"""Text from outside: nothing in it acts, wherever it is shown, and a person can still read it."""

import csv
import io
import json
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initlab.files.escaping import UNSAFE, brief, csv_cell, html, json_text, markdown, one_line, visible

ACTS = [*map(chr, [*range(9), *range(11, 32), *range(127, 160)]), *"\u202e\u2066\u200f\u061c\u2028\ufeff\ud800"]


@pytest.mark.parametrize("character", ACTS)
def test_what_acts_is_written_as_python_writes_it(character: str) -> None:
    assert visible(f"a{character}b") == f"a{repr(character)[1:-1]}b"


def test_what_people_write_stays() -> None:
    text = "naïve · ×2 ± σ²\n\tשלום 日本 👩\u200d💻 e\u0301"
    assert visible(text) == text
    assert one_line("a\n\tb") == "a\\n\\tb"


@given(st.text())
def test_nothing_unsafe_is_left(text: str) -> None:
    assert not UNSAFE.search(visible(text) + markdown(text) + html(text) + one_line(text) + brief(text))
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in one_line(text))
    assert "\n" not in one_line(text) + markdown(text) + brief(text)


@given(st.text())  # surrogates too: JSON can hold them
def test_json_says_the_same(text: str) -> None:
    shown = json_text(json.dumps({"x": text}, ensure_ascii=False))
    assert json.loads(shown) == {"x": text}
    assert not UNSAFE.search(shown)


@given(st.text())
def test_html_has_no_tags_but_ours(text: str) -> None:
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(f"<p title='{html(text)}'>{html(text)}</p>")
    assert tags == ["p"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' C'!A0", "\t=1", "-", "+a", "＝1", "-1_0"]
)
def test_a_formula_is_text(text: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerow([csv_cell(text)])
    (cell,) = next(csv.reader(io.StringIO(stream.getvalue())))
    assert cell == f"'{text}"


@pytest.mark.parametrize("value", ["-1", "+2.5", "-1e-5", ".5", "-inf", "gpt2", "a=b", "", 3, -1.5, None])
def test_a_number_is_one(value: object) -> None:
    assert csv_cell(value) == value


def test_a_wrong_value_is_short_in_a_message() -> None:
    assert brief("x") == "'x'"
    assert brief([1, "a"]) == "[1, 'a']"
    assert len(brief("y" * 10**6)) < 200
    assert brief(1 << 10**6) == "a whole number of 1,000,001 bits"
    assert brief([1 << 10**6]) == "a list of 1"
    bomb: list[object] = []
    for _ in range(64):
        bomb = [bomb, bomb]  # 2^64 lists, were they written out
    assert brief(bomb) == "a list of 2"
