"""Gaussian moments against quadrature in two dimensions, made without Hermite's or anyone's closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from initlab.activations.functions import ACTIVATIONS, Reference
from initlab.theory.kernels import HermiteKernel, Kernel, kernel
from initlab.theory.positions import Array

CASES = [(0.3, 0.3, 0.5), (1.0, 0.3, -0.4), (2.0, 2.0, 0.95), (0.05, 4.0, 0.7), (1.0, 1.0, 0.0)]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def normal_rule(breaks: list[float]) -> tuple[Array, Array]:
    """Nodes and weights for E g(z), z ~ N(0, 1), exact across breaks of g."""
    edges = np.unique([*np.linspace(-9, 9, 13), *breaks])
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    z = (middle[:, None] + half[:, None] * NODES).ravel()
    return z, (half[:, None] * WEIGHTS).ravel() * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def expected_product(
    g: Callable[[Array], Array], kinks: tuple[float, ...], a: float, b: float, covariance: float
) -> float:
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


CLOSED = ("identity", "relu", "relu2", "gelu")
SMOOTH = ("identity", "gelu", "gelu-tanh", "silu", "tanh", "sigmoid", "softplus", "mish")
KINKED = ("relu6", "leaky-relu", "elu", "selu", "hard-tanh", "hard-sigmoid", "hard-swish")


def reference(name: str) -> Reference:
    return ACTIVATIONS.get(name).reference()


def kernels() -> list[tuple[str, Kernel, Reference, float]]:
    """Closed forms are held to rounding, series to what 24 terms leave at correlation .95."""
    closed = [(f"{name} closed", kernel(name), reference(name), 1e-9) for name in CLOSED]
    return closed + [(f"{name} series", HermiteKernel(reference(name)), reference(name), 3e-4) for name in SMOOTH]


@pytest.mark.parametrize(
    ("kernel", "function", "limit"), [row[1:] for row in kernels()], ids=[r[0] for r in kernels()]
)
def test_products_and_slopes(kernel: Kernel, function: Reference, limit: float) -> None:
    for a, b, correlation in CASES:
        covariance = correlation * math.sqrt(a * b)
        expected = expected_product(function.f, function.kinks, a, b, covariance)
        assert kernel.product(gram(a, b, covariance))[0, 1] == pytest.approx(expected, rel=limit, abs=limit * 1e-2)
        slopes = expected_product(function.df, function.kinks, a, b, covariance)
        assert kernel.slopes(gram(a, b, covariance))[0, 1] == pytest.approx(slopes, rel=limit)


@pytest.mark.parametrize("name", [name for name, _ in ACTIVATIONS.items()])
def test_mean_and_second_moment(name: str) -> None:
    function, found = reference(name), kernel(name)
    for variance in (0.02, 0.3, 2.0):
        z, weight = normal_rule([kink / math.sqrt(variance) for kink in function.kinks])
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


@pytest.mark.parametrize("name", KINKED)
def test_kinked_functions_by_series(name: str) -> None:
    # The terms of a function with a kink fall off as k^(-5/4): what 24 leave is .2% at correlation .95.
    function, series = reference(name), kernel(name)
    for a, b, correlation in CASES:
        covariance = correlation * math.sqrt(a * b)
        expected = expected_product(function.f, function.kinks, a, b, covariance)
        scale = math.sqrt(np.prod(series.product(gram(a, b, covariance))[-2]))
        assert series.product(gram(a, b, covariance))[0, 1] == pytest.approx(expected, abs=2e-3 * scale)


def test_many_variances_at_once_are_each_ones_own() -> None:
    variance = np.geomspace(0.05, 3, 40)
    series = HermiteKernel(reference("silu"))
    pairs = 0.4 * np.sqrt(np.outer(variance, variance))
    together = series.product(np.concatenate([pairs, variance[None], variance[None]]))
    for row, column in ((0, 39), (7, 8), (20, 3)):
        alone = series.product(gram(variance[row], variance[column], pairs[row, column]))
        assert together[row, column] == pytest.approx(alone[0, 1], rel=1e-9)


def test_a_wrong_variance_is_seen() -> None:
    right, wrong = (kernel("gelu").product(gram(a, a, 0.1))[-2, 0] for a in (0.3, 0.33))
    assert wrong != pytest.approx(right, rel=0.05)


def test_a_gated_activation_is_its_gates_function() -> None:
    assert type(kernel("geglu")) is type(kernel("gelu"))
    own = gram(0.4, 0.4, 0.1)
    assert kernel("swiglu").product(own) == pytest.approx(kernel("silu").product(own))
