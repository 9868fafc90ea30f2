"""Rates of a few runs: Clopper and Pearson's limits, and what so few cannot see."""

import math

import pytest

from initlab.stats.rates import Rate, blind_spot, rate_interval, unseen


def test_clopper_pearson_by_hand() -> None:
    # none of n: the upper end is 1 - 0.025^(1/n); all of n mirrors it
    assert rate_interval(0, 3) == pytest.approx((0.0, 1 - 0.025 ** (1 / 3)))
    assert rate_interval(3, 3) == pytest.approx((0.025 ** (1 / 3), 1.0))
    with pytest.raises(ValueError, match="no rate"):
        rate_interval(1, 0)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 0.5, 0.8])
def test_a_rate_is_covered_at_least_as_often_as_promised(n: int, rate: float) -> None:
    """Summed exactly over all outcomes. The upper bound of 97% cannot be met: outcomes are too few."""
    covered = sum(
        math.comb(n, k) * rate**k * (1 - rate) ** (n - k)
        for k in range(n + 1)
        if rate_interval(k, n).low <= rate <= rate_interval(k, n).high
    )
    assert 0.95 <= covered <= 1.0 + 1e-12


def test_p_values_are_the_binomials_own() -> None:
    # 1 of 5 at a rate of one half: 6/32 or fewer, 31/32 or more
    rate = Rate(1, 5)
    assert rate.p_below(0.5) == pytest.approx(6 / 32)
    assert rate.p_above(0.5) == pytest.approx(31 / 32)
    assert (rate.p_above(0.0), rate.p_below(1.0)) == (0.0, 0.0), "some did, and not all"
    assert (Rate(0, 5).p_above(0.0), Rate(5, 5).p_below(1.0)) == (1.0, 1.0)
    assert rate.sd == pytest.approx(0.4)


def test_p_and_interval_agree() -> None:
    """A rate is outside the interval just where one of the tests rejects it at 2.5%."""
    for events in range(6):
        rate = Rate(events, 5)
        low, high = rate.interval()
        for bound in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
            assert (low <= bound <= high) == (min(rate.p_above(bound), rate.p_below(bound)) >= 0.025)


def test_a_rate_in_words() -> None:
    assert Rate(0, 5).describe("diverged") == "0 of 5 diverged; at most 52% would at 95%"
    assert Rate(5, 5).describe("diverged") == "5 of 5 diverged; at least 48% would at 95%"
    assert Rate(1, 5).describe("diverged") == "1 of 5 diverged; between 1% and 72% would at 95%"


def test_what_seeds_do_not_see() -> None:
    assert unseen(0.1, 3) == pytest.approx(0.729)
    assert "73% of such sweeps" in blind_spot(3)
    assert "above 71%" in blind_spot(3)
    assert "1 seed cannot" in blind_spot(1)
