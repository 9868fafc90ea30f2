"""How a number scales with width or depth: the slope on log-log axes, one per seed, and an interval over seeds.

A coordinate check (Yang et al., arXiv 2203.03466, appendix D.1) asks whether activations keep their size as a network
grows; here the answer is an exponent with an interval and a verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from initlab.stats.compare import estimate_mean
from initlab.stats.summaries import Interval
from initlab.stats.ties import Resolution

Trend: TypeAlias = Literal["constant", "grows", "shrinks", "undecided"]

BAND = 0.1
"""Exponents within ±this are called constant: over a factor of 10 in size the number moves by at most a quarter."""


@dataclass(frozen=True)
class Slope:
    """``exponent`` is the mean over seeds; ``interval`` is None of one seed, or of seeds that all gave the same."""

    exponent: float
    interval: Interval | None
    n: int
    trend: Trend


def loglog_slope(curve: Mapping[float, float]) -> float | None:
    """Return the least-squares exponent b of value ∝ size^b; None of fewer than two sizes, or a value that is not
    positive and finite."""
    if len(curve) < 2 or not all(value > 0 and math.isfinite(value) for value in curve.values()):
        return None
    x, y = np.log(list(curve)), np.log(list(curve.values()))
    x = x - x.mean()
    return float(x @ (y - y.mean()) / (x @ x))


def coordinate_check(
    curves: Sequence[Mapping[float, float]], band: float = BAND, resolution: Resolution | None = None
) -> Slope | None:
    """Return how a number scales, given one curve (size to value) a seed; None where no curve has a slope.

    ``resolution`` is that of the exponents, where it is known. Equal exponents of which it is not have no interval.

    Constant where the whole interval is within ±band, growing or shrinking where it is wholly beyond, else undecided.
    """
    slopes = [slope for curve in curves if (slope := loglog_slope(curve)) is not None]
    if not slopes:
        return None
    estimate = estimate_mean(slopes, resolution)
    interval = estimate.interval() if estimate else None
    interval = interval if interval and math.isfinite(interval.low) else None
    return Slope(float(np.mean(slopes)), interval, len(slopes), trend(interval, band))


def trend(interval: Interval | None, band: float = BAND) -> Trend:
    """Return what an exponent's interval says of it, against ±``band``."""
    if interval is None:
        return "undecided"
    if interval.low > band:
        return "grows"
    if interval.high < -band:
        return "shrinks"
    return "constant" if -band <= interval.low and interval.high <= band else "undecided"
