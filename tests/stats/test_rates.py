"""Rates of a few runs: Clopper and Pearson's limits, and what so few cannot see."""

import math

import pytest

from initlab.stats.rates import rate_interval


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
