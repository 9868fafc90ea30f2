"""Numbers that a seed gives only as a bracket: a lower and an upper value, either of which may be infinite.

The width of a stable range that ends between two rates lies between two widths. The mean over seeds is then bounded
from below by the lower values and from above by the upper ones, each with Student's limit: conservative, and
one-sided where the values of one side are not finite.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from initlab.stats.compare import EVERYWHERE, Estimate, compare, estimate_mean
from initlab.stats.summaries import Interval
from initlab.stats.ties import CONTINUOUS, Resolution


@dataclass(frozen=True)
class Bracket:
    """A mean that is known from both sides: ``lower`` bounds it from below, ``upper`` from above, None where nothing
    does.

    ``lower_of`` and ``upper_of`` say of how many candidates that could not be told apart the limit is one, chosen by
    the same numbers: its error is divided among them (Bonferroni).
    """

    value: float
    lower: Estimate | None
    upper: Estimate | None
    n: int
    lower_of: int = 1
    upper_of: int = 1

    exact = False

    @property
    def gap(self) -> Interval:
        """What no number of seeds would narrow: from the one side to the other."""
        low = self.lower.value if self.lower else -math.inf
        return Interval(low, self.upper.value if self.upper else math.inf)

    @property
    def sd(self) -> float:
        return max((side.sd for side in (self.lower, self.upper) if side), default=0.0)

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the lower limit of the one side and the upper limit of the other."""
        error = 1 - confidence
        low = self.lower.interval(1 - error / self.lower_of).low if self.lower else -math.inf
        high = self.upper.interval(1 - error / self.upper_of).high if self.upper else math.inf
        return Interval(low, high)

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of "the mean is at most ``bound``"."""
        return min(1.0, self.lower_of * self.lower.p_above(bound)) if self.lower else 1.0

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of "the mean is at least ``bound``"."""
        return min(1.0, self.upper_of * self.upper.p_below(bound)) if self.upper else 1.0


@dataclass(frozen=True)
class SeedBrackets:
    """By seed: ``values`` between ``lows`` and ``highs``.

    ``below`` and ``above`` are the resolutions of lows and highs, where they are known; ``lower_of`` and
    ``upper_of`` as in :class:`Bracket`.
    """

    values: dict[int, float] = field(default_factory=dict)
    lows: dict[int, float] = field(default_factory=dict)
    highs: dict[int, float] = field(default_factory=dict)
    below: Resolution | None = None
    above: Resolution | None = None
    lower_of: int = 1
    upper_of: int = 1

    def mean(self) -> Bracket:
        """Return the mean over seeds; one seed bounds nothing."""
        value = float(np.mean(list(self.values.values())))
        sides = _side(self.lows, self.below), _free(_side(self.highs, self.above))
        return Bracket(value, *sides, len(self.values), self.lower_of, self.upper_of)

    def minus(self, other: "SeedBrackets") -> Bracket:
        """Return the mean difference of two arms, paired over the seeds they share.

        What biases the other arm's limit biases the opposite one of the difference.
        """
        return Bracket(
            compare(self.values, other.values).difference,
            _free(_difference(self.lows, other.highs, self.below, other.above)),
            _free(_difference(self.highs, other.lows, self.above, other.below)),
            len(set(self.values) & set(other.values)) or min(len(self.values), len(other.values)),
            self.lower_of * other.upper_of,
            self.upper_of * other.lower_of,
        )


def pooled(cells: Sequence[SeedBrackets], seeds: Sequence[int]) -> SeedBrackets:
    """Return the mean over cells, seed by seed; of resolutions the widest, which any mean of them keeps to.

    Each cell chose among its candidates, so that the mean is one of as many as there are choices for all cells.
    """
    return SeedBrackets(
        {seed: float(np.mean([cell.values[seed] for cell in cells])) for seed in seeds},
        {seed: float(np.mean([cell.lows[seed] for cell in cells])) for seed in seeds},
        {seed: float(np.mean([cell.highs[seed] for cell in cells])) for seed in seeds},
        _widest([cell.below for cell in cells]),
        _widest([cell.above for cell in cells]),
        math.prod(cell.lower_of for cell in cells),
        math.prod(cell.upper_of for cell in cells),
    )


def _widest(resolutions: Sequence[Resolution | None]) -> Resolution | None:
    known = [one for one in resolutions if one is not None]
    if not known or len(known) < len(resolutions):
        return None
    return Resolution(max(one.step for one in known), min(one.low for one in known), max(one.high for one in known))


def _side(values: Mapping[int, float], resolution: Resolution | None) -> Estimate | None:
    """Return the mean of one side, None where a value is not finite."""
    finite = all(map(math.isfinite, values.values()))
    return estimate_mean(list(values.values()), resolution) if finite else None


def _free(side: Estimate | None) -> Estimate | None:
    """Return the limit of an upper value, which another seed may pass: its range may touch an end of the grid."""
    return side and replace(side, possible=EVERYWHERE)


def _difference(
    a: Mapping[int, float], b: Mapping[int, float], of_a: Resolution | None, of_b: Resolution | None
) -> Estimate | None:
    if not all(map(math.isfinite, (*a.values(), *b.values()))):
        return None
    shared = sorted(set(a) & set(b))
    if shared and (of_a or of_b):
        grid = (of_a or CONTINUOUS).minus(of_b or CONTINUOUS)
        return estimate_mean([a[seed] - b[seed] for seed in shared], grid)
    return compare(a, b, _widest([one for one in (of_a, of_b) if one])).estimate
