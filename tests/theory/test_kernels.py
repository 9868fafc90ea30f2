"""Gaussian moments against quadrature in two dimensions, made without Hermite's or anyone's closed forms."""

import math

import numpy as np
import pytest

from initlab.theory.kernels import CLOSED, Hermite, Kernel
from initlab.theory.pointwise import POINTWISE, Array, Function, Pointwise
from initlab.theory.prediction import kernel

CASES = [(0.3, 0.3, 0.5), (1.0, 0.3, -0.4), (2.0, 2.0, 0.95), (0.05, 4.0, 0.7), (1.0, 1.0, 0.0)]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def normal_rule(breaks: list[float]) -> tuple[Array, Array]:
    """Nodes and weights for E g(z), z ~ N(0, 1), exact across breaks of g."""
    edges = np.unique([*np.linspace(-9, 9, 13), *breaks])
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    z = (middle[:, None] + half[:, None] * NODES).ravel()
    return z, (half[:, None] * WEIGHTS).ravel() * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def expected_product(g: Function, kinks: tuple[float, ...], a: float, b: float, covariance: float) -> float:
    z, weight = normal_rule([kink / math.sqrt(a) for kink in kinks])
    rest = math.sqrt(max(b - covariance**2 / a, 0))
    total = 0.0
    for x, w in zip(math.sqrt(a) * z, weight, strict=True):
        mean = covariance / a * x
        inner, inner_weight = normal_rule([(kink - mean) / rest for kink in kinks if abs(kink - mean) < 9 * rest])
        total += w * float(g(np.array([x]))[0]) * float(inner_weight @ g(mean + rest * inner))
    return total


def gram(a: float, b: float, covariance: float) -> Array:
    return np.array([[a, covariance], [covariance, b], [a, b], [a, b]])


def kernels() -> list[tuple[str, Kernel, Pointwise, float]]:
    """Closed forms are held to rounding, series to what 24 terms leave at correlation .95."""
    closed = [(f"{name} closed", CLOSED[name], POINTWISE[name], 1e-9) for name in CLOSED]
    smooth = [name for name in POINTWISE if not POINTWISE[name].kinks]
    return closed + [(f"{name} series", Hermite(POINTWISE[name]), POINTWISE[name], 3e-4) for name in smooth]


@pytest.mark.parametrize(
    ("kernel", "function", "limit"), [row[1:] for row in kernels()], ids=[r[0] for r in kernels()]
)
def test_products_and_slopes(kernel: Kernel, function: Pointwise, limit: float) -> None:
    for a, b, correlation in CASES:
        covariance = correlation * math.sqrt(a * b)
        expected = expected_product(function.f, function.kinks, a, b, covariance)
        assert kernel.product(gram(a, b, covariance))[0, 1] == pytest.approx(expected, rel=limit, abs=limit * 1e-2)
        slopes = expected_product(function.df, function.kinks, a, b, covariance)
        assert kernel.slopes(gram(a, b, covariance))[0, 1] == pytest.approx(slopes, rel=limit)


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_mean_and_second_moment(name: str) -> None:
    function, found = POINTWISE[name], kernel(name)
    for variance in (0.02, 0.3, 2.0):
        z, weight = normal_rule(list(function.kinks))
        values = function.f(math.sqrt(variance) * z)
        assert found.mean(np.array([variance]))[0] == pytest.approx(weight @ values, abs=1e-9)
        own = gram(variance, variance, variance)
        assert found.product(own)[-2] == pytest.approx(np.full(2, weight @ values**2), rel=1e-9)
        slopes = function.df(math.sqrt(variance) * z)
        assert found.slopes(own)[-2] == pytest.approx(np.full(2, weight @ slopes**2), rel=1e-6)


@pytest.mark.parametrize("name", ["gelu", "relu2", "silu", "tanh"])
def test_slopes_are_the_derivative_in_the_covariance(name: str) -> None:
    """Price's theorem, which ties the two halves of a kernel together without any quadrature."""
    step, found = 1e-4, kernel(name)
    high, low = (found.product(gram(0.8, 1.3, 0.4 + sign * step))[0, 1] for sign in (1, -1))
    assert found.slopes(gram(0.8, 1.3, 0.4))[0, 1] == pytest.approx((high - low) / (2 * step), rel=1e-6)


def test_kinked_functions_by_series() -> None:
    clipped = Hermite(Pointwise(lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) < 1).astype(float), (-1.0, 1.0)))
    for a, b, correlation in CASES:
        covariance = correlation * math.sqrt(a * b)
        expected = expected_product(lambda x: np.clip(x, -1, 1), (-1.0, 1.0), a, b, covariance)
        assert clipped.product(gram(a, b, covariance))[0, 1] == pytest.approx(expected, rel=2e-3, abs=1e-6)


def test_many_variances_at_once_are_each_ones_own() -> None:
    variance = np.geomspace(0.05, 3, 40)
    series = Hermite(POINTWISE["silu"])
    pairs = 0.4 * np.sqrt(np.outer(variance, variance))
    together = series.product(np.concatenate([pairs, variance[None], variance[None]]))
    for row, column in ((0, 39), (7, 8), (20, 3)):
        alone = series.product(gram(variance[row], variance[column], pairs[row, column]))
        assert together[row, column] == pytest.approx(alone[0, 1], rel=1e-9)


def test_a_wrong_variance_is_seen() -> None:
    right, wrong = (kernel("gelu").product(gram(a, a, 0.1))[-2, 0] for a in (0.3, 0.33))
    assert wrong != pytest.approx(right, rel=0.05)
