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
import numpy.typing as npt

from initlab.stats.summaries import Interval

Floats: TypeAlias = npt.NDArray[np.float64]
Method: TypeAlias = Literal["paired t", "Welch t"]
Answer: TypeAlias = Literal["different", "tie", "undecided"]

TIE_MARGIN_NATS = 0.01
"""Losses closer than this are called equal: 0.01 nats per token is 1% in perplexity."""


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, with its standard error and Student degrees of freedom.

    ``n`` counts seeds: pairs, or those of the smaller arm.
    """

    value: float
    error: float
    df: float
    n: int

    @property
    def sd(self) -> float:
        """The standard deviation of the values (of the paired differences) that the mean is of."""
        return self.error * math.sqrt(self.n)

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the two-sided t interval; a point where nothing varies."""
        half = t_quantile((1 + confidence) / 2, self.df) * self.error if self.error else 0.0
        return Interval(self.value - half, self.value + half)

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of "the mean is at most ``bound``": small where it is clearly above."""
        return _tail(self.value - bound, self.error, self.df)

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of "the mean is at least ``bound``": small where it is clearly below."""
        return _tail(bound - self.value, self.error, self.df)

    @property
    def p_zero(self) -> float:
        """Return the two-sided p of "the mean is zero"."""
        if self.value == 0:
            return 1.0
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))


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

        A difference that is real but within the margin is a tie. Two arms with identical numbers are one.
        """
        if self.identical:
            return "tie"
        p, p_tie = self.p if p is None else p, self.p_tie(margin)
        if p is None or p_tie is None:
            return "undecided"
        if p_tie < alpha:
            return "tie"
        return "different" if p < alpha else "undecided"


def compare(a: Mapping[int, float], b: Mapping[int, float]) -> Comparison:
    """Return a minus b, each given by seed: paired over the seeds they share, unpaired where they share none.

    Raises ValueError for an arm without values.
    """
    if not (a and b):
        raise ValueError("expected values on both sides of a comparison")
    shared = sorted(set(a) & set(b))
    if not shared:
        return unpaired(list(a.values()), list(b.values()))
    return paired([a[seed] for seed in shared], [b[seed] for seed in shared])


def paired(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> Comparison:
    """Compare equally long lists, shape (seeds,), pair by pair."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    differences = first - second
    return Comparison(
        "paired t",
        float(differences.mean()),
        estimate_mean(differences),
        _correlation(first, second),
        tuple(differences.tolist()),
    )


def unpaired(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> Comparison:
    """Compare two independent arms by Welch's test, which needs no equal variances."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    difference = float(first.mean() - second.mean())
    estimate = None
    if min(len(first), len(second)) > 1:
        parts = [float(arm.var(ddof=1)) / len(arm) for arm in (first, second)]
        error, df = math.sqrt(sum(parts)), _welch_df(parts, (len(first), len(second)))
        estimate = Estimate(difference, _noise_free(error, first, second), df, min(len(first), len(second)))
    return Comparison("Welch t", difference, estimate)


def estimate_mean(values: Sequence[float] | Floats) -> Estimate | None:
    """Return the mean of independent values with its error, None of fewer than two."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return None
    error = float(array.std(ddof=1)) / math.sqrt(len(array))
    return Estimate(float(array.mean()), _noise_free(error, array), len(array) - 1, len(array))


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


def _noise_free(error: float, *arms: Floats) -> float:
    """An error of a few last bits is that of equal numbers, whose mean rounds: none."""
    size = max(float(np.abs(arm).max()) for arm in arms)
    return error if error > 4 * np.finfo(float).eps * size else 0.0


def _welch_df(parts: list[float], sizes: tuple[int, int]) -> float:
    """Welch-Satterthwaite; of two arms without variance, as many as pooling them would give."""
    below = sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    return sum(parts) ** 2 / below if below else float(sum(sizes) - 2)


def _correlation(a: Floats, b: Floats) -> float | None:
    """Return how much pairing helps, None of fewer than three pairs or of an arm that does not vary."""
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
