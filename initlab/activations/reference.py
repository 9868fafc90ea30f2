"""The built-in point-wise functions and their slopes in numpy, for theory: it must not import torch.

Each maps a float64 array to (values, slopes). Where a function has a kink, the slope there is the one torch's
gradient takes at 0: a network whose pre-activations are all 0 learns, or does not, by that number.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[Array, Array]
ValueAndSlope: TypeAlias = Callable[[Array], Pair]

LEAKY_SLOPE = 0.01
"""Maas et al. 2013, section 4."""

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The one pair that gives f(z), z ~ N(0, 1), mean 0 and variance 1: Klambauer et al., arXiv 1706.02515, eq. 14."""

QUICK_GELU = 1.702
"""Hendrycks & Gimpel, arXiv 1606.08415, section 2: the logistic function nearest Φ."""

GELU_TANH = (math.sqrt(2 / math.pi), 0.044715)
"""Hendrycks & Gimpel, arXiv 1606.08415, section 2: tanh(a·(x + b·x³)) is near 2Φ(x) − 1."""

_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # scipy's costs a third of a second to import


def identity(x: Array) -> Pair:
    return x, np.ones_like(x)


def relu(x: Array) -> Pair:
    return np.maximum(x, 0), np.heaviside(x, 0)


def relu2(x: Array) -> Pair:
    return np.maximum(x, 0) ** 2, 2 * np.maximum(x, 0)


def leaky_relu(x: Array) -> Pair:
    slope = np.where(x > 0, 1, LEAKY_SLOPE)
    return slope * x, slope


def relu6(x: Array) -> Pair:
    return np.clip(x, 0, 6), _inside(x, 0, 6)


def hard_tanh(x: Array) -> Pair:
    return np.clip(x, -1, 1), _inside(x, -1, 1)


def hard_sigmoid(x: Array) -> Pair:
    return np.clip(x + 3, 0, 6) / 6, _inside(x, -3, 3) / 6


def hard_swish(x: Array) -> Pair:
    gate, slope = hard_sigmoid(x)
    return x * gate, gate + x * slope


def elu(x: Array) -> Pair:
    below = np.expm1(np.minimum(x, 0))
    return np.where(x > 0, x, below), below + 1


def selu(x: Array) -> Pair:
    below = SELU_ALPHA * np.expm1(np.minimum(x, 0))
    return SELU_SCALE * np.where(x > 0, x, below), SELU_SCALE * np.where(x > 0, 1, below + SELU_ALPHA)


def tanh(x: Array) -> Pair:
    value = np.tanh(x)
    return value, 1 - value**2


def sigmoid(x: Array) -> Pair:
    value = _logistic(x)
    return value, value * _logistic(-x)


def softplus(x: Array) -> Pair:
    return np.logaddexp(0, x), _logistic(x)


def silu(x: Array) -> Pair:
    gate, slope = sigmoid(x)
    return x * gate, gate + x * slope


def mish(x: Array) -> Pair:
    above, slope = softplus(x)
    gate = np.tanh(above)
    return x * gate, gate + x * (1 - gate**2) * slope


def gelu(x: Array) -> Pair:
    below = 0.5 * np.asarray(_erfc(-x * math.sqrt(0.5)), dtype=np.float64)  # Φ(x); 1 + erf would cancel far below 0
    return x * below, below + x * np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)


def gelu_tanh(x: Array) -> Pair:
    a, b = GELU_TANH
    t = np.tanh(a * (x + b * x**3))
    return 0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * a * (1 + 3 * b * x**2)


def gelu_sigmoid(x: Array) -> Pair:
    gate, slope = sigmoid(QUICK_GELU * x)
    return x * gate, gate + x * QUICK_GELU * slope


def _logistic(x: Array) -> Array:
    """1/(1 + e⁻ˣ), which overflows nowhere in this form."""
    return np.exp(-np.logaddexp(0, -x))


def _inside(x: Array, low: float, high: float) -> Array:
    return ((x > low) & (x < high)).astype(np.float64)
