"""Activations as numpy functions with their derivatives, which is all that theory needs of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Function: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True)
class Pointwise:
    """A function of one variable; at ``kinks`` it or its derivative jumps, and is smooth between them."""

    f: Function
    df: Function
    kinks: tuple[float, ...] = ()


def _cdf(x: Array) -> Array:
    from scipy.special import ndtr  # half a second to import, and only the Hermite row needs it

    return np.asarray(ndtr(x))


def _density(x: Array) -> Array:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _gelu_tanh(x: Array) -> Array:
    bend: Array = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return 0.5 * x * (1 + bend)


def _gelu_tanh_slope(x: Array) -> Array:
    inner = math.sqrt(2 / math.pi)
    bend: Array = np.tanh(inner * (x + 0.044715 * x**3))
    slope: Array = 0.5 * (1 + bend) + 0.5 * x * (1 - bend**2) * inner * (1 + 3 * 0.044715 * x**2)
    return slope


POINTWISE: dict[str, Pointwise] = {
    "identity": Pointwise(lambda x: x, np.ones_like),
    "gelu": Pointwise(lambda x: x * _cdf(x), lambda x: _cdf(x) + x * _density(x)),
    "gelu-tanh": Pointwise(_gelu_tanh, _gelu_tanh_slope),
    "relu": Pointwise(lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(np.float64), (0.0,)),
    "relu2": Pointwise(lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), (0.0,)),
    "silu": Pointwise(lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))),
    "sigmoid": Pointwise(_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))),
    "tanh": Pointwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}
