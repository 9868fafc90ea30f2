"""Means over a Gaussian, to rounding, of functions that are smooth but for known points.

Gauss-Legendre panels end at the kinks, so every panel sees an analytic function and the rule converges
geometrically. Two lengths matter and panels resolve both: the Gaussian's own, √variance, and the function's, which
is 1 for every activation in use, whatever the variance.
"""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CUT = 12.5
"""Standard deviations integrated over: beyond lies 1e-35 of the mass, nothing against any power of x."""

REACH = 40.5
"""A saturating function is its asymptote, to e^-40, from here on: no panels of the function's own are needed."""

FINE, COARSE = 20, 14
"""Points per panel. Panels are at most 1 wide in x as in z; a pole at the distance π/2, that of tanh, leaves an error
of ρ^(-2n) with ρ = π + √(π² + 1) = 6.4: 5e-33 and 2e-23. A kink inside a panel leaves 1/n or 1/n²."""

AGREEMENT = 1e-10
"""How far the two rules may be apart, of the mean of |h|. What is returned is the finer."""

_legendre = lru_cache(np.polynomial.legendre.leggauss)


def gaussian_means(h: Callable[[Array], Array], variance: float, kinks: Iterable[float] = ()) -> Array:
    """Return E h(x), x ~ N(0, variance), for every row of h; ``kinks`` are where h or a row of it is not smooth.

    Raises ArithmeticError where the panels do not resolve h, as when a kink is missing, and ValueError for a variance
    that is none. A variance of 0 is a point mass.
    """
    if not (math.isfinite(variance) and variance >= 0):
        raise ValueError(f"a variance is finite and not negative, got {variance}")
    if variance == 0:
        return h(np.zeros(1))[..., 0]
    ends = _panel_ends(math.sqrt(variance), kinks)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is caught below, as a mean that is not finite
        coarse, _ = _means(h, variance, ends, COARSE)
        fine, size = _means(h, variance, ends, FINE)
        apart = np.abs(fine - coarse)
    if not (apart <= AGREEMENT * size + np.finfo(np.float64).tiny).all():
        raise ArithmeticError(
            f"its mean over N(0, {variance:g}) does not settle: it is too large, or has a kink that is not declared"
        )
    return fine


def _panel_ends(scale: float, kinks: Iterable[float]) -> Array:
    """Return where panels end, in standard deviations: at halves, so that no kink is met unless it is declared."""
    own = np.concatenate([np.arange(-REACH, REACH + 1), np.fromiter(kinks, np.float64)]) / scale
    ends = np.concatenate([np.arange(-CUT, CUT + 1), own])
    return np.unique(ends[np.abs(ends) <= CUT])


def _means(h: Callable[[Array], Array], variance: float, ends: Array, points: int) -> tuple[Array, Array]:
    """Return the means of h and of |h| by a rule of so many points a panel."""
    nodes, weights = _legendre(points)
    half = np.diff(ends)[:, None] / 2
    z = (ends[:-1, None] + half * (1 + nodes)).ravel()
    mass = (half * weights).ravel() * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    values = h(math.sqrt(variance) * z)
    return values @ mass, np.abs(values) @ mass
