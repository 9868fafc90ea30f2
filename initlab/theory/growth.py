"""Which law a curve over depth follows: constant, logarithmic, linear or exponential.

>>> fit([1.0, 2.0, 3.0, 4.0]).law
'linear'
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from initlab.errors import InitlabError

GrowthLaw: TypeAlias = Literal["constant", "logarithmic", "linear", "exponential"]

SAME = 0.1
"""Largest over smallest value, less 1, of a curve that counts as constant."""


@dataclass(frozen=True)
class Growth:
    """``law`` is the verdict: y = start (constant), start + rate·ln(1 + x), start + rate·x, or start·exp(rate·x).

    ``r2`` is its share of the variance of ln y explained, a change of ``SAME`` added to the variance so that a curve
    without growth is explained by none. ``scores`` has the r2 of every law; ``ratio`` is last over first.
    """

    law: GrowthLaw
    r2: float
    start: float
    rate: float
    ratio: float
    scores: dict[GrowthLaw, float]


def fit(values: Sequence[float], depths: Sequence[float] | None = None) -> Growth:
    """Fit positive values at depths x, by default 0, 1, 2, ..., by least squares of relative errors.

    Raises InitlabError of fewer than three values, or of values that are not positive and finite.
    """
    y = np.asarray(values, dtype=np.float64)
    if len(y) < 3 or not (np.isfinite(y).all() and (y > 0).all()):
        raise InitlabError("a growth law needs three or more values, all positive and finite")
    x = np.arange(len(y), dtype=np.float64) if depths is None else np.asarray(depths, dtype=np.float64)
    slope, height = np.polyfit(x, np.log(y), 1)
    fits: dict[GrowthLaw, tuple[float, float]] = {
        "constant": (float(np.exp(np.log(y).mean())), 0.0),
        "logarithmic": _weighted(np.log1p(x), y),
        "linear": _weighted(x, y),
        "exponential": (float(np.exp(height)), float(slope)),
    }
    scores = {law: _r2(y, curve(law, x, *parameters)) for law, parameters in fits.items()}
    growing = [law for law in scores if law != "constant"]
    law = "constant" if y.max() <= (1 + SAME) * y.min() else max(growing, key=lambda law: scores[law])
    return Growth(law, scores[law], *fits[law], float(y[-1] / y[0]), scores)


def curve(law: GrowthLaw, x: np.ndarray, start: float, rate: float) -> np.ndarray:
    """Return the law's values at depths x, in x's shape."""
    if law == "exponential":
        return start * np.exp(rate * x)
    return start + rate * (np.log1p(x) if law == "logarithmic" else x)


def _weighted(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return start and rate of the line through y whose errors, each over its y, have the least squares."""
    rate, start = np.polyfit(x, y, 1, w=1 / y)
    return float(start), float(rate)


def _r2(y: np.ndarray, fitted: np.ndarray) -> float:
    if (fitted <= 0).any():
        return -math.inf
    residual = float(((np.log(fitted) - np.log(y)) ** 2).mean())
    return 1 - residual / (float(np.log(y).var()) + math.log1p(SAME) ** 2)
