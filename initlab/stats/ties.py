"""What values a metric can take, so that equal numbers are not taken for certainty.

Seeds that all give the same number show no spread, which is not the same as having none: a metric on a grid gives
ties by chance. Two facts limit what a tie says. Neighbouring values of a grid lie a step apart, so that a standard
deviation of up to half a step can hide behind equal numbers (Popoviciu 1935). And n equal seeds leave room for
another value in a share of 1 - α^(1/n) of all seeds, as far away as the metric goes (the "rule of three", Hanley and
Lippman-Hand 1983).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)
SMALLEST = float(np.finfo(np.float32).tiny)

FLOAT_STEP = 8 * 2.0**-23
"""Relative resolution of continuous metrics: a few units in the last place of the float32 in which networks run."""


@dataclass(frozen=True)
class Resolution:
    """Values ``step`` apart (0: continuous), between ``low`` and ``high``, infinite where the ends are not known.

    ``exact`` says that equal numbers are one number: the metric is continuous, and some law may fix it.
    """

    step: float
    low: float = -math.inf
    high: float = math.inf
    exact: bool = False

    def seen_in(self, *arms: Floats) -> "Resolution":
        """Return the resolution with as wide a step as tied values show: a metric may jump over some of its grid."""
        return self if self.exact else replace(self, step=max(self.step, inferred(*arms).step))

    def shift(self, n: int) -> float:
        """Return half the step of a mean of ``n`` values: the continuity correction."""
        return 0.0 if self.exact else self.step / (2 * n)

    def minus(self, other: "Resolution") -> "Resolution":
        """Return the resolution of a difference. The steps add as standard deviations of independent arms do."""
        return Resolution(
            math.hypot(self.step, other.step),
            self.low - other.high,
            self.high - other.low,
            self.exact and other.exact,
        )


CONTINUOUS = Resolution(0.0)


def float_resolution(*arms: Floats, size: float | None = None) -> Resolution:
    """Return that of a continuous metric; ``size`` is 1 for logarithms, else the largest value is taken."""
    if size is None:
        size = _largest(arms)
    return Resolution(max(FLOAT_STEP * size, SMALLEST), exact=True)


def inferred(*arms: Floats) -> Resolution:
    """Return what the values themselves show: ties among continuous numbers do not happen, so ties mean a grid.

    Its step is then the smallest gap that was seen, its ends the outermost values that were; of one value alone
    nothing is known.
    """
    if not any(has_ties(arm) for arm in arms):
        return Resolution(0.0)
    pooled = np.sort(np.concatenate(arms))
    gaps = np.diff(pooled)
    real = gaps[gaps > rounding(*arms)]
    return Resolution(float(real.min()), float(pooled[0]), float(pooled[-1])) if len(real) else Resolution(0.0)


def has_ties(arm: Floats) -> bool:
    """Return whether two values are equal but for rounding."""
    ordered, close = sorted(arm.tolist()), rounding(arm)  # of a few values: lists are faster than arrays
    return any(high - low <= close for low, high in pairwise(ordered))


def rounding(*arms: Floats) -> float:
    """Return how far sums of the same numbers may lie apart."""
    return 4 * EPS * _largest(arms)


def _largest(arms: Sequence[Floats]) -> float:
    return float(max(abs(value) for arm in arms for value in arm.tolist()))
