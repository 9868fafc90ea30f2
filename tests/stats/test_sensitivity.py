"""Learning-rate sensitivity: Wortsman's expectation, the optimum, the stable range."""

import math

import pytest

from initlab.stats.sensitivity import optimum, sensitivity, stable_range

GRID = [10**x for x in (-4.0, -3.5, -3.0, -2.5, -2.0)]


def test_an_even_grid_gives_the_plain_mean() -> None:
    losses = [3.0, 2.7, 2.5, 2.6, 5.5]
    assert sensitivity(dict(zip(GRID, losses, strict=True))) == pytest.approx(sum(losses) / 5 - 2.5)


def test_an_uneven_grid_is_weighted_by_the_share_of_the_log_axis() -> None:
    # rates 1, 10, 1000: gaps 1 and 2 decades, shares 1, 1.5, 2
    found = sensitivity({1.0: 2.0, 10.0: 3.0, 1000.0: 5.0})
    assert found == pytest.approx((0 * 1 + 1 * 1.5 + 3 * 2) / 4.5)


def test_a_flat_curve_is_insensitive_and_one_rate_says_nothing() -> None:
    assert sensitivity(dict.fromkeys(GRID, 2.5)) == 0.0
    assert sensitivity({1e-3: 2.5}) is None


def test_the_optimum_of_a_parabola_between_grid_points() -> None:
    centre = math.log(2e-3)
    curve = {rate: 2.5 + 0.1 * (math.log(rate) - centre) ** 2 for rate in GRID}
    assert optimum(curve) == pytest.approx(2e-3)


def test_the_optimum_at_an_end_of_the_grid_is_that_end() -> None:
    assert optimum(dict(zip(GRID, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))) == GRID[0]
    assert optimum({}) is None
    assert optimum(dict.fromkeys(GRID, 1.0)) == GRID[0]


def test_the_stable_range_stops_at_divergence_and_at_bad_losses() -> None:
    curves = [
        dict(zip(GRID, losses, strict=True)) for losses in ([3.0, 2.55, 2.5, 2.52, 2.51], [3.0, 2.6, 2.5, 2.5, 2.5])
    ]
    whole = stable_range(curves, {})
    assert whole is not None
    assert (whole.low, whole.high) == (GRID[1], GRID[4])
    assert whole.decades == pytest.approx(1.5)
    cut = stable_range(curves, {GRID[3]: 1})
    assert cut is not None
    assert (cut.low, cut.high) == (GRID[1], GRID[2]), "what lies beyond a divergence does not count"
    assert stable_range(curves, dict.fromkeys(GRID, 1)) is None
    assert stable_range([], {}) is None
