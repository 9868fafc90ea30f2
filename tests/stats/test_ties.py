"""What equal numbers say: little of a grid, nothing where the grid is not known."""

import math

import numpy as np
import pytest

from initlab.stats.compare import compare, estimate_mean, paired, unpaired
from initlab.stats.ties import Resolution, float_resolution, has_ties, inferred
from tests.stats.simulation import two_point_pairs, two_point_samples

SHARES = [number / 20 for number in range(1, 20)]
GRIDS = [None, Resolution(1.0, 0.0, 1.0), Resolution(0.5, 0.0, 3.0)]
"""Read off the values; the grid of a two-point metric; one over whose points it jumps."""


def test_ties_mean_a_grid_and_its_step_is_the_smallest_gap() -> None:
    found = inferred(np.array([1.0, 1.0, 2.5]), np.array([1.5, 2.5]))
    assert (found.step, found.low, found.high) == (0.5, 1.0, 2.5)
    assert inferred(np.array([1.0, 2.0, 2.5])).step == 0.0
    assert math.isinf(inferred(np.array([1.0, 1.0])).high), "of one value nothing is known"
    assert has_ties(np.array([0.1 + 0.2, 0.3])), "but for rounding"
    assert not has_ties(np.array([0.1, 0.1 + 1e-9]))


def test_a_difference_of_two_grids_is_a_grid() -> None:
    found = Resolution(3.0, 0.0, 1.0).minus(Resolution(4.0, 0.0, 2.0))
    assert (found.step, found.low, found.high, found.exact) == (5.0, -2.0, 1.0, False)
    exact = float_resolution(np.array([2.0, -4.0]))
    assert exact.step == 4.0 * 8 * 2.0**-23
    assert exact.minus(exact).exact
    assert exact.shift(3) == 0.0
    assert Resolution(1.0).shift(4) == 0.125


def test_equal_numbers_are_no_certainty() -> None:
    unknown = estimate_mean([2.0, 2.0, 2.0])
    assert unknown is not None
    assert unknown.interval() == (-math.inf, math.inf)
    assert unknown.p_below(1e9) == unknown.p_above(-1e9) == 1.0
    known = estimate_mean([0.0, 0.0, 0.0], Resolution(1.0, 0.0, 1.0))
    assert known is not None
    assert (known.sd, known.shift) == pytest.approx((0.5, 1 / 6)), "the sd counts as half a step"
    assert known.interval() == (0.0, 1.0), "t(2, 97.5%) · 0.5/√3 + 1/6 is beyond what a share can be"
    assert known.p_below(0.5) >= 0.5**3, "three of three happen that often where half are ones"
    wide = estimate_mean([0.0, 0.0, 0.0], Resolution(0.01, 0.0, 1.0))
    assert wide is not None
    assert wide.interval().high == pytest.approx(1 - 0.025 ** (1 / 3)), "the rule of three takes over"


def test_a_number_that_a_law_fixes_is_known_to_float32() -> None:
    found = estimate_mean([1.0, 1.0, 1.0], float_resolution(np.ones(3)))
    assert found is not None
    low, high = found.interval()
    assert 0 < high - low < 1e-5
    assert found.exact
    assert 0 < found.p_below(1.1) < 1e-6


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_true_claim_at_its_bound_is_refuted_in_at_most_five_percent(n: int, grid: Resolution | None) -> None:
    """Exactly, over all samples of a two-point law; the claim is that its mean is what it is."""
    for share in SHARES:
        for side in ("p_above", "p_below"):
            wrong = sum(
                chance
                for chance, values in two_point_samples(n, share)
                if (found := estimate_mean(values, grid)) and getattr(found, side)(share) < 0.05
            )
            assert wrong <= 0.05 + 1e-12


def test_without_a_resolution_it_is() -> None:
    """The negative twin: a spread of 0 taken for certainty refutes 25% of true claims at n = 2 and a share of 0.5."""
    wrong = sum(
        chance for chance, values in two_point_samples(2, 0.5) if np.ptp(values) == 0 and np.mean(values) < 0.5
    )
    assert wrong == pytest.approx(0.25)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_same_two_point_law_against_itself_is_different_in_at_most_six_percent(n: int) -> None:
    for share in (0.05, 0.2, 0.35, 0.5):
        wrong = naive = 0.0
        for chance, a, b in two_point_pairs(n, share):
            wrong += chance * (paired(a, b).answer() == "different")
            differences = np.subtract(a, b)
            naive += chance * (np.ptp(differences) == 0 and differences[0] != 0)
        apart = sum(
            first * second
            for first, a in two_point_samples(n, share)
            for second, b in two_point_samples(n, share)
            if unpaired(a, b).answer() == "different"
        )
        assert max(wrong, apart) <= 0.06
        if (n, share) == (2, 0.5):
            assert naive == pytest.approx(0.125), "the negative twin"


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("grid", GRIDS)
def test_intervals_of_discrete_numbers_cover_at_least_94_percent(n: int, grid: Resolution | None) -> None:
    for share in SHARES:
        covered = 0.0
        for chance, values in two_point_samples(n, share):
            found = estimate_mean(values, grid)
            assert found is not None
            covered += chance * (found.interval().low <= share <= found.interval().high)
        assert covered >= 0.94


def test_a_clear_difference_on_a_grid_is_still_found() -> None:
    a, b = [1.5] * 8, [0.5] * 8
    assert paired(a, b).answer() == "different"
    assert unpaired(a, b).answer() == "different"


def test_arms_that_are_the_same_by_chance_are_no_tie() -> None:
    assert paired([1.0, 1.0, 0.0], [1.0, 1.0, 0.0]).answer() == "undecided", "on a grid"
    assert paired([2.61, 2.58, 2.64], [2.61, 2.58, 2.64]).answer() == "tie", "the same runs"
    assert compare({0: 1.0, 1: 1.0}, {0: 1.0, 1: 1.0}, Resolution(1.0, 0.0, 1.0)).answer() == "undecided"
