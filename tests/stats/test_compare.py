"""Comparisons: known values, what identical and constant numbers give, and error rates by simulation."""

import math

import numpy as np
import pytest

from initlab.stats.compare import Estimate, compare, estimate_mean, mean_interval, paired, unpaired
from initlab.stats.multiple_testing import holm
from tests.stats.simulation import SHAPES, slack

SEEDS = (3, 5, 10)


def test_students_paired_test_by_hand() -> None:
    # differences 1, 2, 6: mean 3, sd √7, error √(7/3), t = 3/1.527525 = 1.963961;
    # with 2 degrees of freedom the upper tail is (1 - t/√(2 + t²))/2
    found = paired([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    t = 3 / math.sqrt(7 / 3)
    assert found.difference == pytest.approx(3.0)
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)
    interval = found.interval
    assert interval is not None
    assert interval.high - 3 == pytest.approx(4.302652729749462 * math.sqrt(7 / 3))  # t(2, 97.5%) from a table


def test_welchs_test_by_hand() -> None:
    # variances 1 and 4 over 3 each: error² = 5/3, df = (5/3)² / ((1/9 + 16/9)/2) = 2.941176
    found = unpaired([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert found.estimate is not None
    assert found.method == "Welch t"
    assert found.difference == pytest.approx(-2.0)
    assert found.estimate.error == pytest.approx(math.sqrt(5 / 3))
    assert found.estimate.df == pytest.approx(25 / 9 / (17 / 18))


def test_one_init_under_two_names_is_exactly_a_tie() -> None:
    losses = {0: 2.61, 1: 2.58, 2: 2.64}
    found = compare(losses, dict(losses))
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.interval == pytest.approx((0.0, 0.0), abs=1e-5)
    assert found.interval != (0.0, 0.0), "known to float32, not beyond"
    assert found.identical
    assert found.answer(margin=0.0) == "tie"
    p_tie = found.p_tie(0.01)
    assert p_tie is not None
    assert 0 < p_tie < 1e-6
    alone = compare({0: 2.61}, {0: 2.61})
    assert alone.answer() == "tie", "one seed decides nothing, unless the runs are the same"


def test_a_constant_difference_is_known_to_float32() -> None:
    found = paired([1.1, 2.1, 3.1], [1.0, 2.0, 3.0])
    assert found.interval is not None
    assert found.interval == pytest.approx((0.1, 0.1), abs=1e-5)
    assert found.p is not None
    assert 0 < found.p < 1e-6
    assert found.answer(margin=0.01) == "different"
    assert found.answer(margin=0.5) == "tie", "real, and too small to matter"


def test_one_seed_decides_nothing() -> None:
    for found in (compare({0: 1.0}, {0: 2.0}), compare({0: 1.0}, {1: 2.0}), compare({0: 1.0}, {1: 2.0, 2: 2.5})):
        assert found.p is None
        assert found.interval is None
        assert found.answer() == "undecided"
    with pytest.raises(ValueError, match="both sides"):
        compare({}, {0: 1.0})


def test_seeds_pair_what_they_share() -> None:
    found = compare({0: 1.0, 1: 2.0, 5: 9.0}, {1: 1.0, 0: 0.5, 7: 9.0})
    assert found.method == "paired t"
    assert found.difference == pytest.approx((0.5 + 1.0) / 2)
    assert compare({0: 1.0, 1: 2.0}, {2: 1.0, 3: 2.0}).method == "Welch t"


def test_pairing_shows_what_independent_arms_hide() -> None:
    generator = np.random.default_rng(3)
    common = generator.normal(0, 1, 5)
    a, b = common + 0.3 + generator.normal(0, 0.05, 5), common + generator.normal(0, 0.05, 5)
    assert paired(list(a), list(b)).answer() == "different"
    assert unpaired(list(a), list(b)).answer() == "undecided"
    correlation = paired(list(a), list(b)).correlation
    assert correlation is not None
    assert correlation > 0.9


def test_a_learning_rate_a_hundred_times_too_small_is_told_apart_with_three_seeds() -> None:
    # losses of the size such runs have: a gap of nats, a spread of hundredths
    found = compare({0: 2.59, 1: 2.61, 2: 2.60}, {0: 4.88, 1: 4.95, 2: 4.91})
    assert found.answer() == "different"


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("shape", ["gaussian", "heavy-tailed"])
def test_intervals_cover_as_often_as_they_say(shape: str, n: int) -> None:
    repeats, generator = 3000, np.random.default_rng(n)
    a, b = (SHAPES[shape](generator, (repeats, n)) for _ in range(2))
    one = paired_two = apart = 0
    for x, y in zip(a, b, strict=True):
        for index, found in enumerate((estimate_mean(x), paired(x, y).estimate, unpaired(x, y).estimate)):
            assert found is not None
            low, high = found.interval()
            hit = low <= 0 <= high
            one, paired_two, apart = (
                one + hit * (index == 0),
                paired_two + hit * (index == 1),
                apart + hit * (index == 2),
            )
    chance = slack(0.95, repeats, 2)
    for covered, most in ((one, 0.97), (paired_two, 0.97), (apart, 0.98 if n == 3 else 0.97)):
        # Welch's interval is a little wide at n = 3: 97.2% for heavy tails, 96.5% for Gaussian ones
        assert 0.93 <= covered / repeats <= most + chance * (most == 0.97)


def test_no_interval_of_a_few_values_covers_the_mean_of_a_skewed_law() -> None:
    """What cannot be met: of a log-normal (σ = 1) Student's interval covers 81-84%. Its logarithm is Gaussian."""
    repeats, generator = 2000, np.random.default_rng(0)
    found = [estimate_mean(x) for x in SHAPES["skewed"](generator, (repeats, 5))]
    covered = sum(e is not None and e.interval()[0] <= 0 <= e.interval()[1] for e in found) / repeats
    assert 0.78 < covered < 0.88


@pytest.mark.parametrize("shape", ["gaussian", "heavy-tailed"])
@pytest.mark.parametrize("shared", [True, False])
def test_equal_settings_are_called_different_in_at_most_six_percent_of_sweeps(shape: str, shared: bool) -> None:
    sweeps, n, generator = 2000, 3, np.random.default_rng(11)
    wrong = 0
    for a, b in zip(*(SHAPES[shape](generator, (sweeps, n)) for _ in range(2)), strict=True):
        first = dict(enumerate(a))
        second = dict(enumerate(b) if shared else enumerate(b, start=n))
        wrong += compare(first, second).answer() == "different"
    assert wrong / sweeps <= 0.06


@pytest.mark.parametrize("n", [3, 5])
def test_nor_is_any_of_a_whole_family_after_holm(n: int) -> None:
    sweeps, family, generator = 2000, 6, np.random.default_rng(5)
    losses = generator.standard_normal((sweeps, family, n))
    base = generator.standard_normal((sweeps, 1, n))  # all are compared with one baseline, so they depend
    wrong = uncorrected = 0
    for arms, against in zip(losses, base, strict=True):
        found = [paired(arm, against[0]) for arm in arms]
        p_values = [one.p for one in found if one.p is not None]
        wrong += any(one.answer(p=p) == "different" for one, p in zip(found, holm(p_values), strict=True))
        uncorrected += min(p_values) < 0.05
    assert wrong / sweeps <= 0.06
    assert uncorrected / sweeps > 0.15, "without the correction the family would mislead"


@pytest.mark.parametrize("n", SEEDS)
def test_a_difference_at_the_margin_is_called_a_tie_in_at_most_five_percent(n: int) -> None:
    repeats, generator, margin = 3000, np.random.default_rng(n), 1.0
    # noise small against the margin, where the test is at its least conservative
    ties = sum(
        paired(x, np.zeros(n)).answer(margin) == "tie" for x in margin + generator.normal(0, 0.1, (repeats, n))
    )
    assert ties / repeats <= 0.05 + slack(0.05, repeats)
    inside = sum(paired(x, np.zeros(n)).answer(margin) == "tie" for x in generator.normal(0, 0.1, (repeats, n)))
    assert inside / repeats > 0.9, "and one well inside it is"


def test_equal_numbers_whose_mean_rounds_are_equal() -> None:
    estimate = estimate_mean([0.1, 0.1, 0.1])
    assert estimate is not None
    assert estimate.error == 0.0
    assert math.isinf(estimate.interval().high), "they say nothing: see test_ties"
    assert mean_interval([0.1, 0.1, 0.1]) is None
    assert Estimate(0.1, 0.0, 2, 3).p_above(0.1) == 1.0
