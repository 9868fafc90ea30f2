"""Means that are known from two sides."""

import math

import pytest

from initlab.stats.brackets import Bracket, SeedBrackets, pooled
from initlab.stats.compare import estimate_mean
from initlab.stats.ties import Resolution

LOW, HIGH = {0: 1.0, 1: 1.2, 2: 0.9}, {0: 2.0, 1: 2.3, 2: 1.8}
WHOLE = SeedBrackets({0: 1.5, 1: 1.6, 2: 1.4}, LOW, HIGH)
OPEN = SeedBrackets(LOW, LOW, {0: 1.0, 1: 1.2, 2: math.inf})
ALONE = SeedBrackets({0: 1.0}, {0: 1.0}, {0: 1.0})


def test_limits_come_from_either_side() -> None:
    found, lower, upper = WHOLE.mean(), estimate_mean(list(LOW.values())), estimate_mean(list(HIGH.values()))
    assert lower is not None
    assert upper is not None
    assert found.value == pytest.approx(1.5)
    assert found.interval() == (lower.interval().low, upper.interval().high)
    assert (found.p_above(0.5), found.p_below(3.0)) == (lower.p_above(0.5), upper.p_below(3.0))
    assert (ALONE.mean().value, ALONE.mean().interval().sides) == (1.0, "none"), "one seed bounds nothing"


def test_only_a_lower_value_keeps_to_what_is_possible() -> None:
    width = Resolution(1.0, 0.0, 3.0)
    low, high = SeedBrackets(LOW, LOW, HIGH, width, width).mean().interval()
    assert low == 0.0
    assert high > 3.0, "another seed's range may touch an end of the grid"


def test_what_is_not_bounded_on_a_side_has_no_limit_there() -> None:
    found = OPEN.mean()
    assert found.interval().sides == "at least"
    assert found.p_below(1e9) == 1.0


def test_a_difference_takes_the_opposite_side_of_the_other_arm() -> None:
    found = WHOLE.minus(
        SeedBrackets({0: 0.1, 1: 0.0, 2: 0.2}, dict.fromkeys(range(3), 0.0), {0: 0.3, 1: 0.1, 2: 0.25})
    )
    lows = estimate_mean([1.0 - 0.3, 1.2 - 0.1, 0.9 - 0.25])
    assert lows is not None
    assert found.value == pytest.approx(1.4)
    assert found.interval().low == pytest.approx(lows.interval().low, abs=1e-5)
    assert OPEN.minus(WHOLE).interval().sides == "at least"
    assert ALONE.minus(WHOLE).interval().sides == "none"


def test_a_chosen_limit_shares_its_error() -> None:
    side = estimate_mean([1.0, 1.2, 0.9])
    assert side is not None
    chosen = Bracket(1.0, side, side, 3, lower_of=4)
    assert chosen.interval() == (side.interval(1 - 0.05 / 4).low, side.interval().high)
    assert chosen.p_above(0.9) == pytest.approx(min(1.0, 4 * side.p_above(0.9)))


def test_pooling_keeps_what_bounds_each_cell() -> None:
    grids = [
        SeedBrackets(cell.values, cell.lows, cell.highs, Resolution(step, 0.0, 3.0))
        for cell, step in ((WHOLE, 0.5), (OPEN, 1.0))
    ]
    found = pooled(grids, [0, 1, 2])
    assert found.lows == pytest.approx(LOW)
    assert found.highs[2] == math.inf
    assert found.values == pytest.approx({0: 1.25, 1: 1.4, 2: 1.15})
    assert found.below == Resolution(1.0, 0.0, 3.0)
    assert found.above is None


def test_the_choices_of_both_arms_and_of_all_cells_count() -> None:
    """A least loss is too low in its upper limit; taken away, in the difference's lower one."""
    few, many = (SeedBrackets(LOW, LOW, HIGH, upper_of=count) for count in (2, 3))
    found = few.minus(many)
    assert (found.lower_of, found.upper_of) == (3, 2)
    assert pooled([few, many], [0, 1, 2]).upper_of == 6
