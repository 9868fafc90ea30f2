"""Where a curve over a grid is lowest: a confidence set of the rates that were tried, and what lies between them.

Which rate of a grid is the best is an ordinal question. Some rate has the lowest mean loss over seeds; another may be
the best one where no paired test finds it worse. A curve with one minimum has it between the neighbours of the best
rate of the grid, whatever its shape: it is interval-censored, and beyond an end of the grid nothing bounds it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from initlab.stats.compare import paired
from initlab.stats.sensitivity import Curves, optimum
from initlab.stats.summaries import Interval


@dataclass(frozen=True)
class Optimum:
    """Where the mean curve over ``n`` seeds is lowest; all places are logarithms of rates.

    ``grid`` ascends; the mean is lowest at its place ``best``. ``p_best`` has, for each rate, the p of "this is the
    best of them", corrected for the number of others (Bonferroni). ``value`` is by the parabola through the lowest
    mean and its neighbours, None where that is an end of the grid.
    """

    grid: tuple[float, ...]
    best: int
    p_best: tuple[float, ...]
    value: float | None
    n: int

    def limits(self, error: float) -> Interval:
        """Return from where to where the optimum may lie: it is beyond in at most ``error`` of all cases."""
        kept = [place for place, p in enumerate(self.p_best) if p > error or place == self.best]
        first, last = kept[0] - 1, kept[-1] + 1
        return Interval(
            self.grid[first] if first >= 0 else -math.inf, self.grid[last] if last < len(self.grid) else math.inf
        )


@dataclass(frozen=True)
class Optima:
    """A weighted sum of optima, each with its weight: one, a difference of two, a mean, a slope over sizes.

    An estimate like any other (``verdicts.check``). The parts share the error (Bonferroni), so they may depend on
    each other in any way.
    """

    parts: tuple[tuple[float, Optimum], ...]

    exact = False
    sd = 0.0  # no number of seeds follows from a spread: what is not known lies between two rates

    @property
    def n(self) -> int:
        """The fewest seeds of a part."""
        return min(part.n for _, part in self.parts)

    @property
    def value(self) -> float | None:
        """The sum of the values, None where a part has none."""
        known = [weight * part.value for weight, part in self.parts if part.value is not None]
        return math.fsum(known) if len(known) == len(self.parts) else None

    @property
    def gap(self) -> Interval:
        """What no number of seeds would narrow: from the best rate of each grid to its neighbours."""
        return self._limits(float(len(self.parts)))

    def mean(self) -> "Optima":
        """Return itself: the mean over seeds is what is located."""
        return self

    def minus(self, other: "Optima") -> "Optima":
        """Return the difference of two arms."""
        return Optima(self.parts + other.times(-1.0).parts)

    def times(self, factor: float) -> "Optima":
        """Return the multiple."""
        return replace(self, parts=tuple((factor * weight, part) for weight, part in self.parts))

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the limits of the sum, infinite on a side on which a part is not bounded."""
        return self._limits(1 - confidence)

    def p_above(self, bound: float) -> float:
        """Return the p of "the sum is at most ``bound``": the least error at which the limits are above it."""
        return next((error for error in self._errors() if self._limits(error).low > bound), 1.0)

    def p_below(self, bound: float) -> float:
        """Return the p of "the sum is at least ``bound``"."""
        return next((error for error in self._errors() if self._limits(error).high < bound), 1.0)

    def _limits(self, error: float) -> Interval:
        found = [(weight, part.limits(error / len(self.parts))) for weight, part in self.parts if weight]
        return Interval(
            math.fsum(weight * (one.low if weight > 0 else one.high) for weight, one in found),
            math.fsum(weight * (one.high if weight > 0 else one.low) for weight, one in found),
        )

    def _errors(self) -> list[float]:
        """Return the errors at which a rate leaves the set, ascending; but for rounding, at which it is beyond."""
        errors = {len(self.parts) * p * (1 + 1e-12) for _, part in self.parts for p in part.p_best}
        return sorted(error for error in errors if error < 1)


def locate(curves: Curves) -> Optimum | None:
    """Return where the mean of curves over the same rates is lowest; None of none."""
    if not curves:
        return None
    rates = sorted(next(iter(curves.values())))
    losses = np.array([[curve[rate] for curve in curves.values()] for rate in rates])  # (rates, seeds)
    means = losses.mean(axis=1)
    best, others = int(means.argmin()), len(rates) - 1
    behind = [paired(row, losses[best]).estimate for row in losses]
    p_best = [min(1.0, others * one.p_above(0.0)) if one else 1.0 for one in behind]
    p_best[best] = 1.0
    rate = optimum(dict(zip(rates, means.tolist(), strict=True)))
    value = None if rate is None else math.log(rate)
    return Optimum(tuple(map(math.log, rates)), best, tuple(p_best), value, len(curves))


def pooled(cells: Sequence[Optima]) -> Optima:
    """Return the mean over cells."""
    return Optima(tuple(part for cell in cells for part in cell.times(1 / len(cells)).parts))


def loglog_slope_of(optima: Sequence[tuple[float, Optimum]]) -> Optima:
    """Return the exponent b of best rate ∝ size^b by least squares, given sizes, two or more, and optima."""
    x = np.log([size for size, _ in optima])
    x = x - x.mean()
    weights = np.where(np.abs(x) > 1e-12, x, 0.0) / (x @ x)  # one in the middle has none, whatever its rounding
    return Optima(tuple(zip(weights.tolist(), (part for _, part in optima), strict=True)))
