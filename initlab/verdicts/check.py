"""One number against its bounds: the small engine that claims and gates share.

A check holds where the whole confidence interval lies within the bounds, and fails where the evidence that the truth
lies outside stands up in its family of checks (Holm). Everything else is open: more seeds would decide it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

from initlab.stats.multiple_testing import holm
from initlab.stats.power import seeds_needed
from initlab.stats.summaries import Interval

Outcome: TypeAlias = Literal["holds", "fails", "open", "unknown"]
Bounds: TypeAlias = tuple[float, float]

ONE_SEED = 'one seed has no interval; seeds = "every" would compare it as it is'
ALL_EQUAL = "all seeds gave the same number, and how far another's may lie is not known: no interval"


class Estimate(Protocol):
    """What a check needs of a mean (``stats.compare``), a rate (``stats.rates``) or a bracket (``stats.brackets``).

    ``value`` is None where only bounds are known. ``exact`` numbers are held against a bound as they are. ``gap`` is
    what would stay open with any number of seeds.
    """

    @property
    def value(self) -> float | None: ...
    @property
    def n(self) -> int: ...
    @property
    def gap(self) -> Interval: ...
    @property
    def sd(self) -> float: ...
    @property
    def exact(self) -> bool: ...
    def interval(self, confidence: float = 0.95) -> Interval: ...
    def p_above(self, bound: float) -> float: ...
    def p_below(self, bound: float) -> float: ...


@dataclass(frozen=True)
class Check:
    """``value``, ``interval`` and ``bounds`` are in the metric's unit.

    ``inside`` says that all of the interval is within the bounds, ``p_outside`` is the p of "the truth is within
    them" and ``p_inside`` that of "it is beyond one of them", None where nothing is left to chance. ``value`` is None
    where only an interval is known, which is one-sided then. ``problem`` says why there is no number.
    """

    label: str
    metric: str
    bounds: Bounds
    value: float | None = None
    interval: Interval | None = None
    n: int = 0
    inside: bool = False
    p_outside: float | None = None
    p_inside: float | None = None
    note: str = ""
    problem: str | None = None
    estimate: Estimate | None = None
    log: bool = False

    @property
    def advice(self) -> str:
        """Say what would put the whole interval on one side of the nearest bound: so many seeds, or a finer grid."""
        if self.inside or self.estimate is None:
            return ""
        bounds, left_open = [one for one in scaled(self.bounds, self.log) if math.isfinite(one)], self.estimate.gap
        if any(left_open.low < bound < left_open.high for bound in bounds):
            return "a finer or wider grid would tell, more seeds would not"
        if self.estimate.value is None:
            return ""
        centre = self.estimate.value
        gap = min(abs(centre - bound) for bound in bounds)
        needed = seeds_needed(gap, self.estimate.sd)
        return "" if needed is None or needed <= self.estimate.n else f"about {needed} seeds would decide it"

    @property
    def limit(self) -> float | list[float] | None:
        """The one bound there is, or both."""
        finite = [bound for bound in self.bounds if math.isfinite(bound)]
        return finite if len(finite) == 2 else finite[0] if finite else None

    def describe(self, unit: str = "", outcome: Outcome = "open") -> str:
        """Return the numbers as text: ``2.61 [2.6, 2.62] over 3 seeds, limit <= 2.7``; advice where it is open."""
        shown = describe_measured(self.value, self.interval, unit)
        if not shown:
            return self.note
        numbers = f"{shown} over {self.n} seed{'s' * (self.n != 1)}, limit {describe_bounds(self.bounds)}"
        return "; ".join(part for part in (numbers, self.note, self.advice if outcome == "open" else "") if part)


def describe_measured(value: float | None, interval: Interval | None, unit: str = "") -> str:
    """Return ``2.61 nats [2.6, 2.62]``, or ``at most 0.003 (one-sided)`` where there is a bound and no value."""
    number = "" if value is None else f"{value:.4g}{unit and ' ' + unit}"
    limits = interval.describe("{:.4g}".format) if interval else ""
    if interval is None or not limits:
        return number
    if interval.sides == "two-sided":
        return f"{number} [{limits}]".strip()
    return f"{number} [{limits}, one-sided]" if number else f"{limits}{unit and ' ' + unit} (one-sided)"


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
    low, high = scaled(unmeasured.bounds, log)
    back = math.exp if log else float
    if estimate is None:
        shown = None if value is None else back(value)
        note = "; ".join(part for part in (unmeasured.note, ONE_SEED) if part)
        return replace(unmeasured, value=shown, n=1, p_outside=1.0, p_inside=1.0, note=note)
    interval = estimate.interval(confidence)
    held = Interval(estimate.value, estimate.value) if estimate.exact and estimate.value is not None else interval
    known = interval.sides != "none"
    equal = not known and estimate.value is not None
    return replace(
        unmeasured,
        value=None if estimate.value is None else back(estimate.value),
        interval=Interval(_back(interval.low, log), _back(interval.high, log)) if known else None,
        n=estimate.n,
        inside=low <= held.low and held.high <= high,
        p_outside=_p_outside(estimate, low, high),
        p_inside=max(
            estimate.p_above(low) if math.isfinite(low) else 0.0,
            estimate.p_below(high) if math.isfinite(high) else 0.0,
        ),
        note="; ".join(part for part in (unmeasured.note, ALL_EQUAL if equal else "") if part),
        estimate=estimate,
        log=log,
    )


def check_every(unmeasured: Check, values: Sequence[float]) -> Check:
    """Fill in ``unmeasured`` from single values, all of which must lie within the bounds; shows the worst."""
    low, high = unmeasured.bounds
    worst = max(values, key=lambda value: max(low - value, value - high))
    inside = low <= worst <= high
    return replace(unmeasured, value=worst, n=len(values), inside=inside, p_outside=None, p_inside=None)


def decide(checks: Sequence[Check], level: float) -> list[Outcome]:
    """Return the outcome of each; the chance that any fails although all hold is at most ``level``."""
    tested = [number for number, check in enumerate(checks) if check.p_outside is not None and not check.problem]
    adjusted = dict(zip(tested, holm([checks[number].p_outside or 0.0 for number in tested]), strict=True))
    return [_outcome(check, adjusted.get(number), level) for number, check in enumerate(checks)]


def decide_file(statements: Sequence[Sequence[Check]], confidence: float) -> list[list[Outcome]]:
    """Return the outcomes of the checks of several statements as one family.

    The chance that any statement that is true has a check that fails is at most 1 - ``confidence`` (Holm over every
    check); that any that is false holds, at most half of it (a statement holds in all of its checks, so its p is
    their largest; Holm over statements).
    """
    level = 1 - confidence
    flat = iter(decide([check for checks in statements for check in checks], level))
    outcomes = [[next(flat) for _ in checks] for checks in statements]
    measured = [number for number, checks in enumerate(statements) if _p_of_all(checks) is not None]
    adjusted = dict(zip(measured, holm([_p_of_all(statements[number]) or 0.0 for number in measured]), strict=True))
    return [
        [
            "open" if outcome == "holds" and _weak(check, adjusted.get(number), level) else outcome
            for check, outcome in zip(checks, outcomes[number], strict=True)
        ]
        for number, checks in enumerate(statements)
    ]


def _p_of_all(checks: Sequence[Check]) -> float | None:
    """Return the p of "some check does not hold": the largest of those that leave anything to chance."""
    return max((check.p_inside for check in checks if check.p_inside is not None), default=None)


def _weak(check: Check, p: float | None, level: float) -> bool:
    exact = check.p_inside is None or (check.estimate is not None and check.estimate.exact)
    return not exact and p is not None and p > level / 2


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


def _back(limit: float, log: bool) -> float:
    return math.exp(limit) if log and math.isfinite(limit) else limit


def scaled(bounds: Bounds, log: bool) -> Bounds:
    """Return bounds on the scale of the estimate that they are held against: their logarithms if ``log``."""
    return (_log(bounds[0]), _log(bounds[1])) if log else bounds


def _log(bound: float) -> float:
    """Return the logarithm, infinite at the bounds that a positive number cannot pass."""
    return math.log(bound) if 0 < bound < math.inf else (-math.inf if bound <= 0 else math.inf)
