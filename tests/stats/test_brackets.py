"""Means that are known from two sides."""

import math

import pytest

from initlab.stats.brackets import Bracket, SeedBrackets, pooled
from initlab.stats.compare import estimate_mean
from initlab.stats.ties import Resolution

LOW, HIGH = {0: 1.0, 1: 1.2, 2: 0.9}, {0: 2.0, 1: 2.3, 2: 1.8}
WHOLE = SeedBrackets({0: 1.5, 1: 1.6, 2: 1.4}, LOW, HIGH)
OPEN = SeedBrackets({0: 1.0, 1: 1.2}, LOW, {0: 1.0, 1: 1.2, 2: math.inf})


def test_limits_come_from_either_side() -> None:
    found, lower, upper = WHOLE.mean(), estimate_mean(list(LOW.values())), estimate_mean(list(HIGH.values()))
    assert found is not None
    assert lower is not None
    assert upper is not None
    assert found.value == pytest.approx(1.5)
    assert found.interval() == (lower.interval().low, upper.interval().high)
    assert (found.p_above(0.5), found.p_below(3.0)) == (lower.p_above(0.5), upper.p_below(3.0))
    assert SeedBrackets({0: 1.0}, {0: 1.0}, {0: 1.0}).mean() is None


def test_what_is_not_bounded_on_a_side_has_no_limit_there() -> None:
    found = OPEN.mean()
    assert found is not None
    assert OPEN.censored == 1
    assert found.value is None
    assert found.interval().sides == "at least"
    assert found.p_below(1e9) == 1.0


def test_a_difference_takes_the_opposite_side_of_the_other_arm() -> None:
    found = WHOLE.minus(
        SeedBrackets({0: 0.1, 1: 0.0, 2: 0.2}, dict.fromkeys(range(3), 0.0), {0: 0.3, 1: 0.1, 2: 0.25})
    )
    lows = estimate_mean([1.0 - 0.3, 1.2 - 0.1, 0.9 - 0.25])
    assert found is not None
    assert lows is not None
    assert found.value == pytest.approx(1.4)
    assert found.interval().low == pytest.approx(lows.interval().low, abs=1e-5)
    one_sided = OPEN.minus(WHOLE)
    assert one_sided is not None
    assert (one_sided.value, one_sided.interval().sides) == (None, "at least")
    assert SeedBrackets({0: 1.0}, {0: 1.0}, {0: 1.0}).minus(WHOLE) is None


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
    assert set(found.values) == {0, 1}
    assert found.below == Resolution(1.0, 0.0, 3.0)
    assert found.above is None
