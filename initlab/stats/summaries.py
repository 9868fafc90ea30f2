"""Means, spreads and intervals of a few seeds: what three numbers can say, and no more.

Percentile bootstraps cover 80% instead of 95% at n = 3, so intervals here are Student's. One number has a mean and
nothing else: spread and interval are None then, never zero.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """A confidence interval, in the unit of the values."""

    low: float
    high: float


def mean(values: Sequence[float]) -> float | None:
    """Return the arithmetic mean, or None of no values."""
    return statistics.fmean(values) if values else None


def geometric_mean(values: Sequence[float]) -> float | None:
    """Return the geometric mean of non-negative values, 0 where one is 0, or None of no values."""
    if not values:
        return None
    if any(value < 0 for value in values):
        raise ValueError("a geometric mean is of values that are not negative")
    if 0 in values:
        return 0.0
    return math.exp(statistics.fmean(math.log(value) for value in values))


def standard_deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (n - 1 below the line), or None of fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return Student's t interval of the mean, or None of fewer than two values."""
    centre, spread = mean(values), standard_deviation(values)
    if centre is None or spread is None:
        return None
    from scipy.special import stdtrit  # a second to import, and most commands need no interval

    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * spread / math.sqrt(len(values))
    return Interval(centre - half, centre + half)
