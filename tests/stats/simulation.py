"""Draws with known means, and how often something may happen by chance in a simulation."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

SHAPES: dict[str, Draw] = {
    "gaussian": lambda generator, size: generator.standard_normal(size),
    "heavy-tailed": lambda generator, size: generator.standard_t(3, size),  # t with 3 df: its kurtosis is infinite
    "skewed": lambda generator, size: np.exp(generator.standard_normal(size)) - math.exp(0.5),
}
"""Each has mean 0."""


def slack(rate: float, repeats: int, sigmas: float = 3.0) -> float:
    """Return how far a simulated rate may lie from the true one: so many binomial standard errors."""
    return sigmas * math.sqrt(rate * (1 - rate) / repeats)
