"""E f(z_s) f(z_t) and E f'(z_s) f'(z_t) for jointly Gaussian pre-activations, over a gram of their covariances.

Closed forms where they exist (relu, relu², erf-gelu, identity), for any two variances; the Hermite series elsewhere.
Row -2 of a gram is the variance at each position (see :mod:`initlab.theory.positions`); all have shape (n + 2, n).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.polynomial import chebyshev

from initlab.activations import reference as pointwise
from initlab.activations.functions import ACTIVATIONS, Reference
from initlab.activations.reference import ValueAndSlope
from initlab.theory.positions import Array, outer, stack

TERMS = 24
"""Hermite coefficients of a series; what they leave of E g² is put on one more."""
TINY = 1e-300
"""Least variance: of a silent pre-activation, whose correlation is 0/0 without it."""


class Kernel(Protocol):
    """The Gaussian moments of one activation; grams have shape (n + 2, n), variances shape (n,)."""

    def mean(self, variance: Array) -> Array:
        """Return E f(z), z ~ N(0, variance)."""
        ...

    def product(self, gram: Array) -> Array:
        """Return the gram of E f f for pre-activations whose covariances are ``gram``."""
        ...

    def slopes(self, gram: Array) -> Array:
        """Return the gram of E f' f'; by Price's theorem it is the derivative of ``product`` in the covariance."""
        ...


class Identity:
    """f(x) = x."""

    def mean(self, variance: Array) -> Array:
        return np.zeros_like(variance)

    def product(self, gram: Array) -> Array:
        return gram

    def slopes(self, gram: Array) -> Array:
        return np.ones_like(gram)


class Relu:
    """Arc-cosine kernels of degree 1 and 0 (Cho & Saul 2009, equations 4 to 6); homogeneous, so exact at any two
    variances."""

    def mean(self, variance: Array) -> Array:
        return np.sqrt(variance / (2 * math.pi))

    def product(self, gram: Array) -> Array:
        scale, c = _correlation(gram)
        return scale / (2 * math.pi) * (np.sqrt(1 - c * c) + (math.pi - np.arccos(c)) * c)

    def slopes(self, gram: Array) -> Array:
        _, c = _correlation(gram)
        return (math.pi - np.arccos(c)) / (2 * math.pi)


class Relu2:
    """Arc-cosine kernel of degree 2; its slope is 2·relu."""

    def mean(self, variance: Array) -> Array:
        return variance / 2

    def product(self, gram: Array) -> Array:
        scale, c = _correlation(gram)
        angle = np.arccos(c)
        return scale**2 / (2 * math.pi) * (3 * c * np.sin(angle) + (math.pi - angle) * (1 + 2 * c * c))

    def slopes(self, gram: Array) -> Array:
        return 4 * Relu().product(gram)


class Gelu:
    """x·Φ(x), by Stein's lemma twice.

    With variances a, b, covariance k, u = (1+a)(1+b) and D = u - k²: E ΦΦ = 1/4 + asin(k/√u)/2π,
    E f f = k·EΦΦ + (ab·D + k²) / (2πu√D), and E f'f' is its derivative in k. D is written as 1 + a + b + (ab - k²),
    in which nothing large cancels.
    """

    def mean(self, variance: Array) -> Array:
        return variance / np.sqrt(2 * math.pi * (1 + variance))

    def product(self, gram: Array) -> Array:
        ab, u, determinant, k = self._parts(gram)
        both = 0.25 + np.arcsin(k / np.sqrt(u)) / (2 * math.pi)
        return k * both + (ab / u * determinant + k / u * k) / (2 * math.pi * np.sqrt(determinant))

    def slopes(self, gram: Array) -> Array:
        ab, u, determinant, k = self._parts(gram)
        both = 0.25 + np.arcsin(k / np.sqrt(u)) / (2 * math.pi)
        edge = 1 + (2 - ab) / u + k / u * (k / determinant)
        return both + k * edge / (2 * math.pi * np.sqrt(determinant))

    def _parts(self, gram: Array) -> tuple[Array, Array, Array, Array]:
        variance = gram[-2]
        ab = outer(variance)
        most = np.sqrt(ab)
        k = np.clip(gram, -most, most)  # against rounding: no correlation beyond 1
        return ab, outer(1 + variance), 1 + _sums(variance) + np.maximum(ab - k * k, 0), k


def _sums(u: Array) -> Array:
    """Return the gram of u_s + u_t, for u of shape (n,)."""
    return stack(np.add.outer(u, u), 2 * u, 2 * u)


@dataclass(frozen=True)
class HermiteSeries:
    """E g(z_s) g(z_t) = Σ a_k(s) a_k(t) c^k with a_k(v) = E g(√v z) He_k(z)/√k! (Mehler's formula).

    What 24 terms leave of E g² goes on the top power, so that c = 1 is exact.
    """

    g: Callable[[Array], Array]
    kinks: tuple[float, ...]

    def product(self, gram: Array) -> Array:
        _, c = _correlation(gram)
        coefficients = self.coefficients(gram[-2])
        total = outer(coefficients[-1])
        for row in coefficients[-2::-1]:
            total = total * c + outer(row)
        return total

    def coefficients(self, variance: Array) -> Array:
        """Return shape (TERMS + 1, n): a_0..a_{TERMS-1}, and the root of the remainder."""
        low, high = (math.log(max(float(bound), TINY)) for bound in (variance.min(), variance.max()))
        if high - low < 1e-12:
            return np.repeat(self._at(np.exp([low])), len(variance), axis=1)  # (TERMS + 1, 1) -> (TERMS + 1, n)
        # Smooth in ln v even where g has kinks: interpolate between Chebyshev points.
        width = high - low
        nodes = chebyshev.chebpts1(4 if width < 0.05 else 12 if width < 3 else 40)
        table = self._at(np.exp(low + (nodes + 1) / 2 * (high - low)))
        fit = chebyshev.chebfit(nodes, table.T, len(nodes) - 1)
        where = 2 * (np.log(np.maximum(variance, TINY)) - low) / (high - low) - 1
        return np.asarray(chebyshev.chebval(where, fit))

    def _at(self, variance: Array) -> Array:
        return np.array([self._quadrature(math.sqrt(v)) for v in variance]).T

    def _quadrature(self, std: float) -> Array:
        edges = np.unique([*np.linspace(-9, 9, 19), *(kink / std for kink in self.kinks if abs(kink) < 9 * std)])
        middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
        z = (middle[:, None] + half[:, None] * _LEGENDRE[0]).ravel()
        weight = (half[:, None] * _LEGENDRE[1]).ravel() * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        values = self.g(std * z)
        terms = _hermite(z) @ (weight * values)  # (TERMS, points) @ (points,)
        rest = float(weight @ values**2 - terms @ terms)
        return np.append(terms, math.sqrt(max(rest, 0.0)))


class HermiteKernel:
    """Any activation, by its series."""

    def __init__(self, function: Reference) -> None:
        self._f = HermiteSeries(function.f, function.kinks)
        self._df = HermiteSeries(function.df, function.kinks)

    def mean(self, variance: Array) -> Array:
        mean: Array = self._f.coefficients(variance)[0]
        return mean

    def product(self, gram: Array) -> Array:
        return self._f.product(gram)

    def slopes(self, gram: Array) -> Array:
        return self._df.product(gram)


def _correlation(gram: Array) -> tuple[Array, Array]:
    """Return the grams of √(K_ss K_tt) and of the correlation, clipped to [-1, 1] against rounding."""
    scale = outer(np.sqrt(np.maximum(gram[-2], TINY)))
    return scale, np.clip(gram / scale, -1, 1)


def _hermite(z: Array) -> Array:
    """Return He_k(z)/√k! for k < TERMS, shape (TERMS, len(z)), by the three-term recurrence."""
    terms = [np.ones_like(z), z]
    for k in range(1, TERMS - 1):
        terms.append((z * terms[-1] - math.sqrt(k) * terms[-2]) / math.sqrt(k + 1))
    return np.array(terms)


_LEGENDRE = np.polynomial.legendre.leggauss(16)

CLOSED: dict[ValueAndSlope, Kernel] = {
    pointwise.identity: Identity(),
    pointwise.relu: Relu(),
    pointwise.relu2: Relu2(),
    pointwise.gelu: Gelu(),
}


def kernel(activation: str) -> Kernel:
    """Return the moments of an activation by name, of its gate's function where it is gated."""
    entry = ACTIVATIONS.get(activation)
    closed = CLOSED.get(entry.exact) if entry.exact else None
    return closed or HermiteKernel(entry.reference())
