"""Whether two settings differ: paired by seed where seeds are shared, by Welch's test where they are not.

A seed fixes the data order and the directions of every weight, so two settings on the same seeds are compared seed by
seed. Student's t assumes that the differences are roughly normal; at n = 3 it cannot be checked, and nothing short of
more seeds replaces it: an exact permutation test cannot reject there at all (see ``permutation``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from initlab.stats.summaries import Interval
from initlab.stats.ties import Floats, Resolution, float_resolution, has_ties, inferred, rounding

Method: TypeAlias = Literal["paired t", "Welch t"]
Answer: TypeAlias = Literal["different", "tie", "undecided"]

TIE_MARGIN_NATS = 0.01
"""Losses closer than this are called equal: 0.01 nats per token is 1% in perplexity."""


EVERYWHERE = Interval(-math.inf, math.inf)


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, with its standard error and Student degrees of freedom.

    ``n`` counts seeds: pairs, or those of the smaller arm. On a grid ``shift`` is the continuity correction, half the
    grid of the mean. Where all values are equal, ``reach`` says how far below and above them another seed's might
    lie; ``exact`` that they are the same number by a law, and may be held against a bound as they are. No mean is
    outside ``possible``.
    """

    value: float
    error: float
    df: float
    n: int
    shift: float = 0.0
    reach: tuple[float, float] = (0.0, 0.0)
    exact: bool = False
    possible: Interval = EVERYWHERE

    @property
    def gap(self) -> Interval:
        """What no number of seeds would narrow: the value alone."""
        return Interval(self.value, self.value)

    @property
    def sd(self) -> float:
        """The standard deviation of the values (of the paired differences) that the mean is of."""
        return self.error * math.sqrt(self.n)

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the two-sided t interval; infinite where all seeds agree and nothing else is known."""
        tail = (1 - confidence) / 2
        half = t_quantile(1 - tail, self.df) * self.error + self.shift
        unseen = 1 - tail ** (1 / self.n)  # the largest share of other values that n equal ones leave room for
        below, above = (max(half, reach * unseen) for reach in self.reach)
        low, high = self.possible
        return Interval(max(self.value - below, low), min(self.value + above, high))

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of "the mean is at most ``bound``": small where it is clearly above."""
        return self._p(self.value - bound, self.reach[0])

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of "the mean is at least ``bound``": small where it is clearly below."""
        return self._p(bound - self.value, self.reach[1])

    @property
    def p_zero(self) -> float:
        """Return the two-sided p of "the mean is zero"."""
        if self.value == 0:
            return 1.0
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def _p(self, distance: float, reach: float) -> float:
        p = _tail(distance - self.shift, self.error, self.df)
        if 0 < distance < reach:
            p = max(p, (1 - distance / reach) ** self.n)
        return p


@dataclass(frozen=True)
class Comparison:
    """``a`` minus ``b``; ``estimate`` is None of too few seeds. ``differences`` and ``correlation`` are of pairs."""

    method: Method
    difference: float
    estimate: Estimate | None
    correlation: float | None = None
    differences: tuple[float, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether the arms are the same numbers seed by seed."""
        return bool(self.differences) and not any(self.differences)

    @property
    def p(self) -> float | None:
        return None if self.estimate is None else self.estimate.p_zero

    @property
    def interval(self) -> Interval | None:
        return None if self.estimate is None else self.estimate.interval()

    def p_tie(self, margin: float) -> float | None:
        """Return the p of two one-sided tests against ±margin (Schuirmann 1987): small where the arms are as good as
        equal."""
        if self.estimate is None:
            return None
        return max(self.estimate.p_above(-margin), self.estimate.p_below(margin))

    def answer(self, margin: float = TIE_MARGIN_NATS, alpha: float = 0.05, p: float | None = None) -> Answer:
        """Return what can be said at level ``alpha``; ``p`` is the p to use where a family was corrected for.

        A difference that is real but within the margin is a tie. Two arms with identical numbers are one, unless the
        numbers are on a grid, where that happens by chance.
        """
        if self.identical and (self.estimate is None or self.estimate.exact):
            return "tie"
        p, p_tie = self.p if p is None else p, self.p_tie(margin)
        if p is None or p_tie is None:
            return "undecided"
        if p_tie < alpha:
            return "tie"
        return "different" if p < alpha else "undecided"


def compare(a: Mapping[int, float], b: Mapping[int, float], resolution: Resolution | None = None) -> Comparison:
    """Return a minus b, each given by seed: paired over the seeds they share, unpaired where they share none.

    ``resolution`` is that of the values of one arm, taken from them where it is not given. Raises ValueError for an
    arm without values.
    """
    if not (a and b):
        raise ValueError("expected values on both sides of a comparison")
    shared = sorted(set(a) & set(b))
    if not shared:
        return unpaired(list(a.values()), list(b.values()), resolution)
    return paired([a[seed] for seed in shared], [b[seed] for seed in shared], resolution)


def paired(
    a: Sequence[float] | Floats, b: Sequence[float] | Floats, resolution: Resolution | None = None
) -> Comparison:
    """Compare equally long lists, shape (seeds,), pair by pair."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    differences = first - second
    return Comparison(
        "paired t",
        float(differences.mean()),
        estimate_mean(differences, resolution.minus(resolution) if resolution else _of_pairs(first, second)),
        _correlation(first, second),
        tuple(differences.tolist()),
    )


def unpaired(
    a: Sequence[float] | Floats, b: Sequence[float] | Floats, resolution: Resolution | None = None
) -> Comparison:
    """Compare two independent arms by Welch's test, which needs no equal variances."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    difference = float(first.mean() - second.mean())
    n = min(len(first), len(second))
    if n < 2:
        return Comparison("Welch t", difference, None)
    grid = resolution.seen_in(first, second) if resolution else inferred(first, second)
    parts = [max(_variance(arm), (grid.step / 2) ** 2) / len(arm) for arm in (first, second)]
    tied = _tied(first) and _tied(second)
    estimate = Estimate(
        difference,
        math.sqrt(sum(parts)),
        _welch_df(parts, (len(first), len(second))),
        n,
        shift=grid.shift(n),
        reach=_reach(difference, grid.minus(grid)) if tied else (0.0, 0.0),
        exact=tied and grid.exact,
    )
    return Comparison("Welch t", difference, estimate)


def estimate_mean(values: Sequence[float] | Floats, resolution: Resolution | None = None) -> Estimate | None:
    """Return the mean of independent values with its error, None of fewer than two.

    ``resolution`` is taken from the values where it is not given: equal ones then say nothing.
    """
    array = np.asarray(values, float)
    n = len(array)
    if n < 2:
        return None
    grid = resolution.seen_in(array) if resolution else inferred(array)
    value, tied = float(array.mean()), _tied(array)
    return Estimate(
        value,
        math.sqrt(max(_variance(array), (grid.step / 2) ** 2) / n),
        n - 1,
        n,
        shift=grid.shift(n),
        reach=_reach(value, grid) if tied else (0.0, 0.0),
        exact=tied and grid.exact,
        possible=Interval(resolution.low, resolution.high) if resolution else EVERYWHERE,
    )


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return Student's t interval of the mean; None of fewer than two values, or of equal ones, which show none."""
    estimate = estimate_mean(values)
    interval = estimate.interval(confidence) if estimate else None
    return interval if interval and math.isfinite(interval.low) else None


def t_quantile(probability: float, df: float) -> float:
    """Return Student's quantile."""
    from scipy.special import stdtrit  # a second to import

    return float(stdtrit(df, probability))


def _tail(distance: float, error: float, df: float) -> float:
    """Return P(T > distance / error); where nothing varies the mean is known: 0, 1, or 1 at the bound itself."""
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    from scipy.special import stdtr  # a second to import

    return float(stdtr(df, -distance / error))


def _tied(array: Floats) -> bool:
    values: list[float] = array.tolist()
    return max(values) - min(values) <= rounding(array)


def _variance(array: Floats) -> float:
    """A variance of a few last bits is that of equal numbers, whose mean rounds: none."""
    return 0.0 if _tied(array) else float(array.var(ddof=1))


def _reach(value: float, grid: Resolution) -> tuple[float, float]:
    """Return how far from a value that all seeds share another's may lie: a last bit, or to the ends of the grid."""
    return (grid.step, grid.step) if grid.exact else (max(0.0, value - grid.low), max(0.0, grid.high - value))


def _of_pairs(a: Floats, b: Floats) -> Resolution:
    """Return the resolution of differences of arms: continuous unless one of them has ties."""
    if has_ties(a) or has_ties(b):
        grid = inferred(a, b)
        return grid.minus(grid)
    return float_resolution(a, b)


def _welch_df(parts: list[float], sizes: tuple[int, int]) -> float:
    """Welch-Satterthwaite; of two arms without variance, as many as pooling them would give."""
    below = sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    return sum(parts) ** 2 / below if below else float(sum(sizes) - 2)


def _correlation(a: Floats, b: Floats) -> float | None:
    """Return how much pairing helps, None of fewer than three pairs or of an arm that does not vary."""
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
