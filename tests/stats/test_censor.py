"""Diverged runs stay in the numbers."""

import math

import numpy as np
import pytest

from initlab.stats.censor import censored, rate_interval


def test_a_run_that_blew_up_has_learnt_nothing() -> None:
    for lost in (None, math.nan, math.inf, 9.0):
        assert censored(lost, 5.5) == 5.5
    assert censored(2.6, 5.5) == 2.6


def test_leaving_diverged_runs_out_would_turn_the_comparison_around() -> None:
    calm, wild = [2.7, 2.7, 2.7], [2.6, None, 2.6]
    kept = [censored(loss, 5.5) for loss in wild]
    assert np.mean(kept) > np.mean(calm) > np.mean([loss for loss in wild if loss is not None])


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
