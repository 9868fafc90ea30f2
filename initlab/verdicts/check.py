"""One number against its bounds: the small engine that claims and gates share.

A check holds where the whole confidence interval lies within the bounds, and fails where the evidence that the truth
lies outside stands up in its family of checks (Holm). Everything else is open: more seeds would decide it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from initlab.stats.compare import Estimate
from initlab.stats.multiple_testing import holm
from initlab.stats.power import seeds_needed
from initlab.stats.summaries import Interval

Outcome: TypeAlias = Literal["holds", "fails", "open", "unknown"]
Bounds: TypeAlias = tuple[float, float]

ONE_SEED = 'one seed has no interval; seeds = "every" would compare it as it is'


@dataclass(frozen=True)
class Check:
    """``value``, ``interval`` and ``bounds`` are in the metric's unit.

    ``inside`` says that all of the interval is within the bounds, ``p_outside`` is the p of "the truth is within
    them", None where nothing is left to chance. ``problem`` says why there is no number.
    """

    label: str
    metric: str
    bounds: Bounds
    value: float | None = None
    interval: Interval | None = None
    n: int = 0
    inside: bool = False
    p_outside: float | None = None
    note: str = ""
    problem: str | None = None
    estimate: Estimate | None = None
    log: bool = False

    @property
    def advice(self) -> str:
        """Say how many seeds would put the whole interval on one side of the nearest bound."""
        if self.inside or self.estimate is None:
            return ""
        gap = min(
            abs(self.estimate.value - bound) for bound in _scaled(self.bounds, self.log) if math.isfinite(bound)
        )
        needed = seeds_needed(gap, self.estimate.sd)
        return "" if needed is None or needed <= self.estimate.n else f"about {needed} seeds would decide it"

    @property
    def limit(self) -> float | list[float] | None:
        """The one bound there is, or both."""
        finite = [bound for bound in self.bounds if math.isfinite(bound)]
        return finite if len(finite) == 2 else finite[0] if finite else None

    def describe(self, unit: str = "", outcome: Outcome = "open") -> str:
        """Return the numbers as text: ``2.61 [2.6, 2.62] over 3 seeds, limit <= 2.7``; advice where it is open."""
        if self.value is None:
            return self.note
        value = f"{self.value:.4g}{unit and ' ' + unit}"
        interval = f" [{self.interval.low:.4g}, {self.interval.high:.4g}]" if self.interval else ""
        numbers = f"{value}{interval} over {self.n} seed{'s' * (self.n != 1)}, limit {describe_bounds(self.bounds)}"
        return "; ".join(part for part in (numbers, self.note, self.advice if outcome == "open" else "") if part)


def describe_bounds(bounds: Bounds) -> str:
    """Return ``<= 2.7``, ``>= 1``, or ``1 to 2``."""
    low, high = bounds
    if math.isinf(low):
        return f"<= {high:.4g}"
    return f">= {low:.4g}" if math.isinf(high) else f"{low:.4g} to {high:.4g}"


def check_estimate(
    unmeasured: Check, estimate: Estimate | None, confidence: float, *, log: bool = False, value: float | None = None
) -> Check:
    """Fill in ``unmeasured`` from an estimate, of logarithms if ``log``; ``value`` is known where there is none."""
    low, high = _scaled(unmeasured.bounds, log)
    back = math.exp if log else float
    if estimate is None:
        shown = None if value is None else back(value)
        note = "; ".join(part for part in (unmeasured.note, ONE_SEED) if part)
        return replace(unmeasured, value=shown, n=1, p_outside=1.0, note=note)
    interval = estimate.interval(confidence)
    inside = low <= interval.low and interval.high <= high
    return replace(
        unmeasured,
        value=back(estimate.value),
        interval=Interval(back(interval.low), back(interval.high)),
        n=estimate.n,
        inside=inside,
        p_outside=_p_outside(estimate, low, high),
        estimate=estimate,
        log=log,
    )


def check_every(unmeasured: Check, values: Sequence[float]) -> Check:
    """Fill in ``unmeasured`` from single values, all of which must lie within the bounds; shows the worst."""
    low, high = unmeasured.bounds
    worst = max(values, key=lambda value: max(low - value, value - high))
    inside = low <= worst <= high
    return replace(unmeasured, value=worst, n=len(values), inside=inside, p_outside=None)


def decide(checks: Sequence[Check], level: float) -> list[Outcome]:
    """Return the outcome of each; the chance that any fails although all hold is at most ``level``."""
    tested = [number for number, check in enumerate(checks) if check.p_outside is not None and not check.problem]
    adjusted = dict(zip(tested, holm([checks[number].p_outside or 0.0 for number in tested]), strict=True))
    return [_outcome(check, adjusted.get(number), level) for number, check in enumerate(checks)]


def _outcome(check: Check, p: float | None, level: float) -> Outcome:
    if check.problem:
        return "unknown"
    if check.inside:
        return "holds"
    return "fails" if p is None or p < level else "open"


def _p_outside(estimate: Estimate, low: float, high: float) -> float:
    """Return the p of "the truth is within the bounds", corrected for two sides where there are two (Bonferroni)."""
    below = estimate.p_below(low) if math.isfinite(low) else 1.0
    above = estimate.p_above(high) if math.isfinite(high) else 1.0
    sides = math.isfinite(low) + math.isfinite(high)
    return min(1.0, sides * min(below, above))


def _scaled(bounds: Bounds, log: bool) -> Bounds:
    return (_log(bounds[0]), _log(bounds[1])) if log else bounds


def _log(bound: float) -> float:
    """Return the logarithm, infinite at the bounds that a positive number cannot pass."""
    return math.log(bound) if 0 < bound < math.inf else (-math.inf if bound <= 0 else math.inf)
