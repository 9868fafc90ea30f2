"""What is read off a declaration: kind, legal values, default, and traits that are safe where nobody gave any."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from initlab.spec.declaration import Count, Fraction, Frozen, Traits, declared


class Inner(Frozen):
    plain: int = 3


class Example(Frozen):
    width: Annotated[Count, Traits(role="size", unit="channels", identity="always")] = Field(
        4, description="how wide"
    )
    share: Fraction | None = None
    shape: Literal["round", "square"] | None = Field(None, description="of the thing")
    on: Annotated[bool, Traits(flag="switched-on", neutral=True)] = False
    text: str = "x"
    inner: Inner = Inner()


FIELDS = declared(Example, "example")


def test_tables_are_no_fields() -> None:
    assert [*FIELDS] == ["width", "share", "shape", "on", "text"]
    assert {field.path for field in FIELDS.values()} == {f"example.{name}" for name in FIELDS}
    assert declared(Inner)["plain"].path == "plain"


def test_kinds_and_legal_values() -> None:
    assert [field.kind for field in FIELDS.values()] == ["integer", "number", "string", "boolean", "string"]
    assert FIELDS["shape"].choices == ("round", "square")
    assert FIELDS["width"].schema == {"type": "integer", "exclusiveMinimum": 0, "maximum": 2**20}
    assert FIELDS["share"].schema == {"type": "number", "minimum": 0, "exclusiveMaximum": 1}


def test_default_help_and_traits() -> None:
    width = FIELDS["width"]
    assert (width.default, width.help, width.traits.unit, width.flag) == (4, "how wide", "channels", "width")
    assert (FIELDS["on"].flag, FIELDS["on"].default, FIELDS["on"].neutral) == ("switched-on", False, True)
    assert FIELDS["text"].neutral == "x"


def test_a_field_that_says_nothing_separates_groups_matters_at_init_and_is_in_ids() -> None:
    traits = FIELDS["share"].traits
    assert traits == Traits()
    assert (traits.per_lane, traits.phase, traits.identity) == (False, "init", "if changed")


@pytest.mark.parametrize(
    "changes", [{"width": 2.0}, {"width": "4"}, {"width": True}, {"widht": 4}, {"shape": "flat"}]
)
def test_nothing_is_converted_and_nothing_unknown_is_taken(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Example.model_validate(changes)
