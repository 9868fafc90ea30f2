"""Diverged runs: counted in a rate, and kept in every mean as having learnt nothing.

A run that blew up has no final loss. Leaving it out would reward the setting that loses its worst seeds, so it
counts as ending where it began; and so does a run that ended above its start (as in Wortsman et al., arXiv
2309.14322).
"""

import math

from initlab.stats.summaries import Interval


def censored(loss: float | None, initial: float) -> float:
    """Return the loss a run counts with, in nats: its own, at most the loss at initialisation."""
    if loss is None or not math.isfinite(loss):
        return initial
    return min(loss, initial)


def rate_interval(events: int, n: int, confidence: float = 0.95) -> Interval:
    """Return Clopper and Pearson's interval of a rate.

    It covers at least as often as it says and, for so few runs, mostly more: no interval of a rate covers 93-97% at
    every true rate for ten runs or fewer. Raises ValueError without runs.
    """
    if not 0 <= events <= n or n == 0:
        raise ValueError(f"{events} events of {n} runs have no rate")
    from scipy.special import betaincinv  # a second to import

    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(betaincinv(events, n - events + 1, tail))
    high = 1.0 if events == n else float(betaincinv(events + 1, n - events, 1 - tail))
    return Interval(low, high)
