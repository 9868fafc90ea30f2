"""Names that a spec may hold: known, checked, written in one way, and as a schema."""

import re

import pytest

from initlab.errors import InitlabError
from initlab.planning.names import NAMES, names_of
from initlab.spec.fields import FIELDS


@pytest.mark.parametrize(
    ("kind", "name", "written"),
    [
        ("init", "nanogpt", "nanogpt"),  # a cell is called what it was asked for
        ("activation", "gelu-erf", "gelu"),
        ("optimizer", "sgd", "sgd"),
        ("corpus", "a/b.txt", "a/b.txt"),
    ],
)
def test_a_name_is_written_as_a_run_has_it(kind: str, name: str, written: str) -> None:
    assert NAMES[kind].check(name) == written


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [("init", "gtp2", "gpt2"), ("activation", "rleu", "relu"), ("optimizer", "adam", "adamw")],
)
def test_a_name_that_there_is_not_raises_with_the_nearest(kind: str, name: str, near: str) -> None:
    with pytest.raises(InitlabError, match=f"unknown {kind} '{name}'; did you mean '{near}'"):
        NAMES[kind].check(name)


def test_the_schema_takes_names_and_their_parameters_and_nothing_else() -> None:
    pattern = re.compile(NAMES["init"].schema()["pattern"])
    assert all(pattern.search(text) for text in ("gpt2", "gpt2:std=0.01", "note-proj-0.02"))
    assert not any(pattern.search(text) for text in ("gtp2", "note-proj-0x02", "gpt2 "))
    assert "relu" in NAMES["activation"].schema()["enum"]
    assert "enum" not in NAMES["corpus"].schema(), "a path is as good as a name"


def test_fields_that_hold_no_names_have_none() -> None:
    assert names_of(FIELDS["train.lr"]) is None
    assert names_of(FIELDS["init"]) is NAMES["init"]
