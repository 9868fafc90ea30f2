"""Diverged runs stay in the numbers."""

import math

import numpy as np

from initlab.stats.censor import censored


def test_a_run_that_blew_up_has_learnt_nothing() -> None:
    for lost in (None, math.nan, math.inf, 9.0):
        assert censored(lost, 5.5) == 5.5
    assert censored(2.6, 5.5) == 2.6


def test_leaving_diverged_runs_out_would_turn_the_comparison_around() -> None:
    calm, wild = [2.7, 2.7, 2.7], [2.6, None, 2.6]
    kept = [censored(loss, 5.5) for loss in wild]
    assert np.mean(kept) > np.mean(calm) > np.mean([loss for loss in wild if loss is not None])
