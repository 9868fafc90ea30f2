"""Exact permutation tests, and how many seeds they need before they can say anything.

They assume nothing but that signs (or labels) are exchangeable. With few seeds there are few permutations: three
pairs have eight sign patterns, so the smallest two-sided p is 2/8. A test that can never reject says so instead of
printing p.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from initlab.stats.ties import Floats

MOST_PAIRS = 20
MOST_LABELS = 20_000
"""Beyond these an exact test takes too long and Student's t is good enough."""


@dataclass(frozen=True)
class ExactTest:
    """``p`` is two-sided; ``smallest_p`` is what perfectly separated arms would get, ``seeds_needed`` how many seeds
    an arm must have for that to be at most the level that was asked for."""

    p: float
    smallest_p: float
    seeds_needed: int
    n: int

    @property
    def can_reject(self) -> bool:
        return self.n >= self.seeds_needed

    def describe(self) -> str:
        """Return the p, or how many seeds the test needs before it can reject."""
        return f"exact p = {self.p:.3g}" if self.can_reject else f"an exact test needs >= {self.seeds_needed} seeds"


def sign_flip(differences: Sequence[float], alpha: float = 0.05, family: int = 1) -> ExactTest | None:
    """Test paired differences by flipping their signs in all 2ⁿ ways (Fisher 1935); None of too many pairs for that.

    ``family`` is how many tests share ``alpha``.
    """
    array = np.asarray(differences, float)
    n = len(array)
    if not 1 <= n <= MOST_PAIRS:
        return None
    sums = np.zeros(1)
    for difference in array:
        sums = np.concatenate([sums + difference, sums - difference])  # (2^k,) -> (2^(k + 1),)
    extreme = np.abs(sums) >= abs(array.sum()) - _slack(array)
    return ExactTest(float(extreme.mean()), 2 / 2**n, pairs_needed(alpha, family), n)


def relabel(a: Sequence[float], b: Sequence[float], alpha: float = 0.05, family: int = 1) -> ExactTest | None:
    """Test two independent arms by every way to deal their values out again; None of too many ways."""
    pooled = np.asarray([*a, *b], float)
    ways = math.comb(len(pooled), len(a))
    if not (len(a) and len(b)) or ways > MOST_LABELS:
        return None
    chosen = np.array(list(itertools.combinations(range(len(pooled)), len(a))))
    gaps = np.abs(pooled[chosen].mean(1) - (pooled.sum() - pooled[chosen].sum(1)) / len(b))
    observed = abs(float(np.mean(a)) - float(np.mean(b)))
    smallest = (2 if len(a) == len(b) else 1) / ways
    extreme = gaps >= observed - _slack(pooled)
    return ExactTest(float(extreme.mean()), smallest, labels_needed(alpha, family), min(len(a), len(b)))


def pairs_needed(alpha: float = 0.05, family: int = 1) -> int:
    """Return the fewest pairs with which a sign-flip test can reach ``alpha``/``family``: 2/2ⁿ is its smallest p."""
    return next(n for n in itertools.count(1) if 2 / 2**n <= alpha / family)


def labels_needed(alpha: float = 0.05, family: int = 1) -> int:
    """Return the fewest seeds in each of two independent arms: 2/C(2n, n) is the smallest p."""
    return next(n for n in itertools.count(1) if 2 / math.comb(2 * n, n) <= alpha / family)


def _slack(values: Floats) -> float:
    """Sums in another order differ in their last bits; such ties count as ties."""
    return 8 * float(np.finfo(float).eps) * float(np.abs(values).sum())
