"""Ranges and lists of sizes, and the law over them."""

from itertools import pairwise

import pytest

from initlab.errors import InitlabError
from initlab.predictions.size_range import POINTS, SizeRange, law_over, parse_size_range
from initlab.spec.run import ModelSpec

BASE = ModelSpec(n_head=4)


def test_a_list_is_taken_as_it_is_and_sorted() -> None:
    assert parse_size_range("n_layer=8,2,4", BASE) == SizeRange("n_layer", (2, 4, 8))
    assert parse_size_range("ffn_ratio=1.5,4", BASE).values == (1.5, 4.0)


def test_a_range_has_its_ends_and_even_steps_between() -> None:
    values = parse_size_range("n_layer=2..96", BASE).values
    assert (values[0], values[-1]) == (2, 96)
    assert len(values) == POINTS
    steps = [b / a for a, b in pairwise(values)]
    assert max(steps) <= 1.6, "(96/2)^(1/11) = 1.42, rounded to whole layers"
    assert parse_size_range("n_layer=1..3", BASE).values == (1, 2, 3)


def test_widths_are_those_that_the_heads_divide() -> None:
    values = parse_size_range("n_embd=60..500", BASE).values
    assert (values[0], values[-1]) == (60, 500)
    assert all(value % 4 == 0 for value in values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_layer", "expected SIZE=FIRST..LAST"),
        ("n_layr=2..4", "did you mean 'n_layer'"),
        ("n_layer=4..2", "a rising range"),
        ("n_layer=a,b", "are no sizes"),
        ("n_embd=5..7", "multiples of 4"),
    ],
)
def test_what_is_no_span_is_refused(text: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        parse_size_range(text, BASE)


def test_a_size_that_makes_no_model_is_refused() -> None:
    span = parse_size_range("n_head=3,4", BASE)
    assert span.model(BASE, 4).n_head == 4
    with pytest.raises(InitlabError, match="not divisible"):
        span.model(BASE, 3)


def test_the_law_is_fitted_at_the_sizes_themselves() -> None:
    span = SizeRange("n_layer", (2, 4, 8, 16))
    found = law_over(span, [5 + 3 * value for value in span.values])
    assert found is not None
    assert found.law == "linear"
    assert (found.start, found.rate) == pytest.approx((5, 3))
    assert law_over(SizeRange("n_layer", (2, 4)), [1.0, 2.0]) is None
