"""Where a curve is lowest: a set of rates, and no point between them that the grid does not show."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from initlab.stats.optima import Optima, Optimum, locate, loglog_slope_of, pooled
from initlab.stats.sensitivity import Curve
from tests.stats.simulation import contains, slack

GRID = (-4.0, -3.5, -3.0, -2.5, -2.0, -1.5)
SHARP = Optimum((0.0, 1.0, 2.0, 3.0, 4.0), 2, (0.0, 0.04, 1.0, 0.01, 0.0), 2.2, 3)
EDGE = Optimum((0.0, 1.0, 2.0), 0, (1.0, 0.2, 0.0), None, 5)

Shape = Callable[[float], float]


def parabola(distance: float) -> float:
    return 0.1 * distance**2


def wall(distance: float) -> float:
    """As losses of real networks: a gentle slope up to the best rate, a steep one beyond it."""
    return 0.1 * distance**2 if distance < 0 else 0.6 * distance**2


def _curves(
    generator: np.random.Generator, n: int, shape: Shape, centre: float, noise: float = 0.01
) -> dict[int, Curve]:
    losses = [2.5 + shape(place - centre) for place in GRID] + generator.normal(0, noise, (n, len(GRID)))
    return {
        seed: {10**place: float(loss) for place, loss in zip(GRID, row, strict=True)}
        for seed, row in enumerate(losses)
    }


def test_a_rate_may_be_the_best_where_a_paired_test_does_not_find_it_worse() -> None:
    losses = np.array([[2.9, 2.85, 3.0], [2.5, 2.4, 2.6], [2.52, 2.43, 2.59]])  # rates, seeds
    found = locate(
        {seed: dict(zip((1e-4, 1e-3, 1e-2), row.tolist(), strict=True)) for seed, row in enumerate(losses.T)}
    )
    assert found is not None
    worse = [2 * stats.ttest_rel(losses[rate], losses[1], alternative="greater").pvalue for rate in (0, 2)]
    assert found.p_best == pytest.approx((min(1.0, worse[0]), 1.0, min(1.0, worse[1])))
    assert found.n == 3
    assert locate({}) is None


def test_limits_are_the_neighbours_of_the_rates_that_are_kept() -> None:
    assert SHARP.limits(0.05) == (1.0, 3.0)
    assert SHARP.limits(0.02) == (0.0, 3.0), "at a smaller error one more rate is kept"
    assert SHARP.limits(0.005) == (0.0, 4.0)
    assert EDGE.limits(0.05) == (-math.inf, 2.0), "beyond an end nothing is known"


def test_p_is_the_error_at_which_the_limits_pass_the_bound() -> None:
    alone = Optima(((1.0, SHARP),))
    assert (alone.value, alone.n) == (2.2, 3)
    assert alone.interval() == (1.0, 3.0)
    assert alone.p_above(0.5) == pytest.approx(0.04)
    assert alone.p_above(1.5) == 1.0, "within what the grid leaves open"
    assert alone.p_below(3.5) == pytest.approx(0.01)
    assert Optima(((1.0, SHARP),) * 3).p_above(1.5) == pytest.approx(0.12), "three share the error"
    assert Optima(((1.0, EDGE),)).p_above(-100.0) == 1.0


def test_more_seeds_would_leave_the_neighbours_of_the_best() -> None:
    noisy = Optimum((0.0, 1.0, 2.0, 3.0), 1, (1.0, 1.0, 1.0, 1.0), 1.1, 3)
    assert Optima(((1.0, noisy),)).interval().sides == "none"
    assert Optima(((1.0, noisy),)).gap == (0.0, 2.0)
    assert Optima(((1.0, EDGE),)).gap == (-math.inf, 1.0)


def test_differences_and_means_share_the_error() -> None:
    one = Optima(((1.0, SHARP),))
    apart = one.minus(Optima(((1.0, EDGE),)))
    assert (apart.value, apart.n) == (None, 3)
    assert apart.interval() == (0.0 - 2.0, math.inf), "at 2.5% a rate more is kept on the left"
    assert pooled([one, one]).interval() == (0.0, 3.0)
    assert pooled([one, one]).value == pytest.approx(2.2)
    moved = loglog_slope_of([(64.0, SHARP), (256.0, SHARP)])
    assert moved.value == pytest.approx(0.0, abs=1e-12)
    assert moved.interval() == pytest.approx((-3 / math.log(4), 3 / math.log(4)))
    middle = loglog_slope_of([(64.0, SHARP), (512.0, EDGE), (4096.0, SHARP)])
    assert middle.interval().sides == "two-sided", "the size in the middle has no weight"


@pytest.mark.parametrize("shape", [parabola, wall])
@pytest.mark.parametrize(("centre", "n"), [(-2.8, 3), (-3.9, 3), (-4.3, 5), (-2.75, 5)])
def test_the_optimum_is_within_its_limits_whatever_the_shape(shape: Shape, centre: float, n: int) -> None:
    """At most 5% of 200 sweeps may miss, give or take three standard errors."""
    generator = np.random.default_rng(13)
    missed = 0
    for _ in range(200):
        found = locate(_curves(generator, n, shape, centre))
        assert found is not None
        missed += not contains(Optima(((1.0, found),)).interval(), centre * math.log(10))
    assert missed / 200 <= 0.05 + slack(0.05, 200)


def test_a_parabola_taken_for_the_truth_misses_a_wall() -> None:
    """The negative twin: Student's interval of each seed's vertex; and an end of the grid taken for a value."""
    generator = np.random.default_rng(14)
    missed = ended = 0
    for _ in range(100):
        curves = _curves(generator, 5, wall, -2.75)
        places = [optimum_of(curve) for curve in curves.values()]
        missed += abs(np.mean(places) + 2.75) > stats.t.ppf(0.975, 4) * stats.sem(places)
        lowest = [
            math.log10(min(curve, key=curve.__getitem__)) for curve in _curves(generator, 5, wall, -4.3).values()
        ]
        ended += abs(np.mean(lowest) + 4.3) > stats.t.ppf(0.975, 4) * stats.sem(lowest)
    assert missed > 90
    assert ended > 90


def optimum_of(curve: Curve) -> float:
    """Return the vertex in decades."""
    found = locate({0: curve})
    assert found is not None
    assert found.value is not None
    return found.value / math.log(10)


def test_a_clear_curve_is_known_to_the_grid_and_no_better() -> None:
    found = locate(_curves(np.random.default_rng(0), 5, lambda x: 2 * x**2, -3.0, 0.001))
    assert found is not None
    assert found.limits(0.05) == pytest.approx((-3.5 * math.log(10), -2.5 * math.log(10)))
    assert found.value == pytest.approx(-3.0 * math.log(10), abs=0.01)
