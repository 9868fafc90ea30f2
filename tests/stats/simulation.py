"""Draws with known means, how often something may happen by chance in a simulation, and what must not be done."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from initlab.stats.summaries import Interval

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


def contains(interval: Interval, truth: float) -> bool:
    """Return whether an interval covers the truth."""
    return interval.low <= truth <= interval.high


def two_point_samples(
    n: int, share: float, low: float = 0.0, high: float = 1.0
) -> Iterator[tuple[float, list[float]]]:
    """Yield every sample of a two-point law up to order, with its chance: its mean is low + share · (high - low)."""
    for k in range(n + 1):
        yield math.comb(n, k) * share**k * (1 - share) ** (n - k), [high] * k + [low] * (n - k)


def two_point_pairs(n: int, share: float) -> Iterator[tuple[float, list[float], list[float]]]:
    """Yield every pair of samples of one two-point law up to order, with its chance.

    A pair of seeds is (0, 0), (0, 1), (1, 0) or (1, 1): what matters is how many there are of each.
    """
    kinds = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    for counts in itertools.product(range(n + 1), repeat=4):
        if sum(counts) != n:
            continue
        pairs = [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]
        ones = int(sum(map(sum, pairs)))
        ways = math.factorial(n) // math.prod(map(math.factorial, counts))
        yield ways * share**ones * (1 - share) ** (2 * n - ones), [a for a, _ in pairs], [b for _, b in pairs]


def shared_seeds(generator: np.random.Generator, size: tuple[int, int], correlation: float) -> Floats:
    """Return Gaussian differences, shape (cells, seeds), of which those of one seed are correlated over cells."""
    own, common = generator.standard_normal(size), generator.standard_normal(size[1])
    return math.sqrt(1 - correlation) * own + math.sqrt(correlation) * common


def bootstrap_over_cells(
    differences: Floats, generator: np.random.Generator, resamples: int = 300
) -> tuple[float, float]:
    """Return the 95% interval of the mean that takes cells for independent samples: what must not be done.

    Stratified by cell, n - 1 of its n values drawn again (Rao and Wu 1988), which is right for independent cells.
    """
    cells, n = differences.shape
    drawn = generator.integers(n, size=(resamples, cells, n - 1))
    means = np.take_along_axis(differences[None], drawn, axis=2).mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
