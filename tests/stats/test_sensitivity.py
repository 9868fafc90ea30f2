"""Learning-rate sensitivity: Wortsman's expectation, the optimum, the stable range."""

import math

import numpy as np
import pytest

from initlab.stats.compare import compare
from initlab.stats.sensitivity import (
    best_losses,
    is_even,
    optimum,
    seed_sensitivities,
    sensitivity,
    stable_range,
    stable_widths,
)
from tests.stats.simulation import contains, slack

GRID = [10**x for x in (-4.0, -3.5, -3.0, -2.5, -2.0)]


def test_an_even_grid_gives_the_plain_mean() -> None:
    losses = [3.0, 2.7, 2.5, 2.6, 5.5]
    assert sensitivity(dict(zip(GRID, losses, strict=True))) == pytest.approx(sum(losses) / 5 - 2.5)


def test_an_uneven_grid_is_integrated_over_its_range() -> None:
    # rates 1, 10, 1000: trapezia of 1 and 2 decades, (0 + 1)/2 and (1 + 3)/2 high, over 3 decades
    found = sensitivity({1.0: 2.0, 10.0: 3.0, 1000.0: 5.0})
    assert found == pytest.approx((0.5 * 1 + 2 * 2) / 3)
    assert found != pytest.approx(4 / 3), "the plain mean"
    x = np.log10([1.0, 3.0, 5.0, 100.0])
    losses = np.array([3.0, 2.5, 2.6, 4.0])
    curve = dict(zip((10**x).tolist(), losses.tolist(), strict=True))
    assert sensitivity(curve) == pytest.approx(np.trapezoid(losses - 2.5, x) / (x[-1] - x[0]))


def test_one_three_ten_is_as_good_as_even() -> None:
    assert is_even([1e-3, 3e-3, 1e-2, 3e-2])
    assert not is_even([1e-3, 2e-3, 1e-2])
    assert sensitivity({1e-3: 2.0, 3e-3: 3.0, 1e-2: 4.0}) == pytest.approx(1.0)


def test_the_best_rate_is_the_same_for_all_seeds() -> None:
    # mean curve 2.5, 2.4, 2.6: seed 1's own least loss, 2.3 at the first rate, is not taken
    curves = {0: {1.0: 2.7, 10.0: 2.4, 100.0: 2.6}, 1: {1.0: 2.3, 10.0: 2.4, 100.0: 2.6}}
    found, best = seed_sensitivities(curves), best_losses(curves)
    assert found is not None
    assert found.values == pytest.approx({0: 7.7 / 3 - 2.4, 1: 7.3 / 3 - 2.4})
    assert best.values == {0: 2.4, 1: 2.4}
    assert (found.lower_of, found.upper_of, best.lower_of, best.upper_of) == (3, 1, 1, 3), "two seeds tell none apart"
    assert seed_sensitivities({0: {1.0: 2.7}}) is None
    alone = best_losses({0: curves[1]})
    assert alone.values == alone.lows == alone.highs == {0: 2.3}


def _flat(n: int, repeats: int = 600) -> np.ndarray:
    """Seeds of curves that are equal but for noise of sd 0.02 at each of four rates: the sensitivity is 0."""
    noise: np.ndarray = np.random.default_rng(n).normal(2.5, 0.02, (repeats, n, 4))
    return noise


def test_noise_alone_makes_no_sensitivity_of_its_own_size() -> None:
    """A minimum per seed gives E max of four Gaussians, 1.029 sd: the negative twin. Means have an sd of 0.0005."""
    n = 5
    own, common = [], []
    for block in _flat(n):
        curves = {seed: dict(zip(GRID, row.tolist(), strict=False)) for seed, row in enumerate(block)}
        found = seed_sensitivities(curves)
        assert found is not None
        own.append(np.mean([sensitivity(curve) for curve in curves.values()]))
        common.append(np.mean(list(found.values.values())))
    assert np.mean(own) == pytest.approx(1.029 * 0.02, abs=0.002)
    assert np.mean(common) == pytest.approx(1.029 * 0.02 / math.sqrt(n), abs=0.002), "the bias of a mean of n"


def test_the_bias_is_within_the_interval() -> None:
    """Of 600 flat curves at most 7% may miss 0, give or take three standard errors; Student's alone misses more."""
    missed = student = 0
    for block in _flat(5):
        found = seed_sensitivities({s: dict(zip(GRID, row.tolist(), strict=False)) for s, row in enumerate(block)})
        assert found is not None
        bracket = found.mean()
        assert bracket.lower is not None
        missed += not bracket.interval().low <= 0 <= bracket.interval().high
        student += bracket.lower.interval().low > 0
    assert missed / 600 <= 0.07 + slack(0.07, 600)
    assert student / 600 > 0.08


def test_a_flat_curve_is_insensitive_and_one_rate_says_nothing() -> None:
    assert sensitivity(dict.fromkeys(GRID, 2.5)) == 0.0
    assert sensitivity({1e-3: 2.5}) is None


def test_the_optimum_of_a_parabola_between_grid_points() -> None:
    centre = math.log(2e-3)
    curve = {rate: 2.5 + 0.1 * (math.log(rate) - centre) ** 2 for rate in GRID}
    found = optimum(curve)
    assert found == pytest.approx(2e-3)


def test_the_optimum_at_an_end_of_the_grid_is_no_value() -> None:
    falling, rising = [5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    assert optimum(dict(zip(GRID, falling, strict=True))) is None
    assert optimum(dict(zip(GRID, rising, strict=True))) is None
    assert optimum({}) is None
    assert optimum({1e-3: 2.0}) is None, "one rate is both ends"


def test_a_stable_width_is_between_what_is_stable_and_what_is_not() -> None:
    curve = dict(zip(GRID, [3.0, 2.55, 2.5, 2.52, 3.0], strict=True))
    found = stable_widths({0: curve, 1: curve}, {})
    assert found.values[0] == found.lows[0] == pytest.approx(1.0)
    assert found.highs[0] == pytest.approx(2.0), "the next rates on either side are not stable"
    assert stable_widths({0: dict.fromkeys(GRID, 2.5)}, {}).highs[0] == math.inf, "the grid ends first"
    lost = stable_widths({0: curve}, {0: dict.fromkeys(GRID, 1)})
    assert (lost.values[0], lost.highs[0]) == (0.0, math.inf)


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


def test_two_arms_that_chose_unlike_are_compared_with_both_choices() -> None:
    """A clear best rate has no bias, a flat curve has: the difference of least losses must allow for it.

    Of 600 pairs of arms at most 6% may miss, give or take three standard errors; plain Student's misses more.
    """
    generator = np.random.default_rng(5)
    missed = student = 0
    for _ in range(600):
        arms = generator.normal(2.5, 0.02, (2, 10, len(GRID)))
        arms[0] += [0.3, 0.1, 0.0, 0.1, 0.3]
        clear, flat = (
            best_losses({seed: dict(zip(GRID, row.tolist(), strict=True)) for seed, row in enumerate(arm)})
            for arm in arms
        )
        missed += not contains(clear.minus(flat).interval(), 0.0)
        plain = compare(clear.values, flat.values).interval
        assert plain is not None
        student += not contains(plain, 0.0)
    assert missed / 600 <= 0.06 + slack(0.06, 600)
    assert student / 600 > 0.07
