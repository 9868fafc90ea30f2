"""Means and spreads of a few seeds: what three numbers can say, and no more.

One number has a mean and nothing else: its spread is None then, never zero.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

Sides: TypeAlias = Literal["two-sided", "at least", "at most", "none"]
SIDES: dict[tuple[bool, bool], Sides] = {
    (True, True): "two-sided",
    (True, False): "at least",
    (False, True): "at most",
    (False, False): "none",
}


class Interval(NamedTuple):
    """A confidence interval, in the unit of the values. One that is infinite on one side is one-sided."""

    low: float
    high: float

    @property
    def sides(self) -> Sides:
        """Which of its ends it has: ``at most`` is an upper limit alone, ``none`` says nothing."""
        known = (math.isfinite(self.low), math.isfinite(self.high))
        return SIDES[known]

    def describe(self, show: Callable[[float], str], between: str = ", ") -> str:
        """Return both limits as text, or ``at most`` or ``at least`` and the one there is; nothing of none."""
        limits = [show(limit) for limit in self if math.isfinite(limit)]
        return between.join(limits) if len(limits) == 2 else f"{self.sides} {limits[0]}" if limits else ""


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
