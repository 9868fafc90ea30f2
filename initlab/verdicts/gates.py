"""Gates: limits that decide an exit code.

A limit is red only where the evidence stands up against the whole file: with nothing changed, the chance of any red
is at most ``false_alarm`` (Holm over every check of the file), one half of a percent unless the file says otherwise.
It is green where the whole confidence interval is within the limit, and inconclusive in between.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from initlab.errors import InitlabError
from initlab.files.toml import TomlFile
from initlab.results.metrics import metric_named
from initlab.results.reading import Results
from initlab.verdicts import drift
from initlab.verdicts.check import Check, Outcome, judge
from initlab.verdicts.evidence import (
    Series,
    checks,
    common_label,
    compared,
    measured,
    selected,
    statement_metric,
    varying,
)
from initlab.verdicts.statement import Gate, GatesFile
from initlab.verdicts.verdict import Verdict

Result: TypeAlias = Literal["pass", "fail", "inconclusive", "error"]
RESULTS: dict[Outcome, Result] = {"holds": "pass", "fails": "fail", "open": "inconclusive", "unknown": "error"}
EXIT: dict[Result, int] = {"pass": 0, "fail": 1, "inconclusive": 0, "error": 3}
EXIT_STRICT_INCONCLUSIVE = 4


@dataclass(frozen=True)
class Pending:
    """A check, and the gate that made it."""

    gate: Gate
    check: Check


def judge_gates(gates: GatesFile, file: TomlFile, sweep: Results, baseline: Results | None) -> list[Verdict]:
    """Return a verdict for each gate and cell, and one for each kind of drift.

    Raises InitlabError, naming key and line, where a gate asks for what the sweep has not, or for a baseline that is
    not given.
    """
    if gates.needs_baseline and baseline is None:
        key = ("drift",) if gates.drift else ()
        raise InitlabError(f"{file.where(key)}: compares with a baseline; give one with --baseline DIR")
    pending: list[Pending] = []
    for number, gate in enumerate(gates.gate):
        try:
            if baseline is not None and gate.max_regression is not None:
                found = _regressions(gate, sweep, baseline, gates)
            else:
                found = checks(gate, sweep, gates.confidence)
        except InitlabError as error:
            raise InitlabError(f"{file.where(('gate', number))}: {error}") from error
        pending += [Pending(gate, check) for check in found]
    outcomes = judge([one.check for one in pending], gates.false_alarm)
    drifts = _drifts(gates, sweep, baseline) if baseline and gates.drift else []
    return drifts + [_verdict(one, outcome, gates) for one, outcome in zip(pending, outcomes, strict=True)]


def overall(verdicts: Iterable[Verdict]) -> Result:
    """Return the worst: runs without a result leave no verdict at all."""
    found = {verdict.verdict for verdict in verdicts}
    order: tuple[Result, ...] = ("error", "fail", "inconclusive")
    return next((result for result in order if result in found), "pass")


def exit_code(result: Result, *, strict: bool) -> int:
    return EXIT_STRICT_INCONCLUSIVE if strict and result == "inconclusive" else EXIT[result]


def baseline_path(gates: GatesFile, file: TomlFile, given: Path | None) -> Path | None:
    """Return where the baseline is: as given, else as the file says, from where the file is."""
    if given is not None or gates.baseline is None:
        return given
    return file.path.parent / gates.baseline


def _regressions(gate: Gate, sweep: Results, baseline: Results, gates: GatesFile) -> list[Check]:
    """Return the change of each cell since the baseline, against how much worse it may be.

    Raises InitlabError where no cell is in the baseline, unless the gate on drift says so already.
    """
    metric = statement_metric(gate, sweep)
    cells = selected(gate, sweep, metric)
    like = {id(cell): other for cell, other in drift.matching(sweep, baseline)}
    if not any(id(cell) in like for cell in cells) and not (gates.drift and gates.drift.config):
        raise InitlabError(
            f"{baseline.name} has no cell like those of {sweep.name}: the same init, activation and axes"
        )
    plain, told = replace(metric, positive=False), varying(cells)  # a share of a mean is on the metric's own scale
    return [
        _regression(gate, common_label([cell], told), measured(plain, cell), measured(plain, other), gates.confidence)
        if (other := like.get(id(cell))) is not None
        else Check(common_label([cell], told), f"{gate.metric} change", NO_BOUNDS, p_outside=1.0, note=NEW_CELL)
        for cell in cells
    ]


NO_BOUNDS = (-math.inf, math.inf)
NEW_CELL = "the baseline has no such cell"


def _regression(gate: Gate, label: str, here: Series, there: Series, confidence: float) -> Check:
    blank = Check(label, f"{gate.metric} change", NO_BOUNDS, problem=here.problem or there.problem)
    if there.problem and not here.problem:
        blank = replace(blank, problem=f"baseline: {there.problem}")
    if blank.problem:
        return blank
    before = float(np.mean(list(there.values.values())))
    limit = max((gate.max_regression or 0.0) * abs(before), gate.floor)
    blank = replace(blank, bounds=(-math.inf, limit) if gate.worse == "higher" else (-limit, math.inf))
    return compared(blank, here, there, confidence)


def _drifts(gates: GatesFile, sweep: Results, baseline: Results) -> list[Verdict]:
    assert gates.drift is not None
    wanted: list[tuple[bool, str, str, Callable[[], drift.DriftFound]]] = [
        (gates.drift.laws, "law-drift", "every slot has the law it has in the baseline",
         lambda: drift.law_drift(sweep, baseline)),
        (gates.drift.config, "config-drift", "every field is what it is in the baseline",
         lambda: drift.config_drift(sweep, baseline, gates.drift.ignore if gates.drift else ())),
    ]  # fmt: skip
    found = [(name, text, look()) for on, name, text, look in wanted if on]
    return [
        Verdict(
            id=name,
            text=text,
            verdict=_drift_result(one),
            reason=one.problem or one.words,
            metric="drift",
            value=None if one.problem else float(len(one.differences)),
            limit=0.0,
            n=one.compared,
            complete=one.problem is None,
        )
        for name, text, one in found
    ]


def _drift_result(found: drift.DriftFound) -> Result:
    if found.problem:
        return "error"
    if found.differences:
        return "fail"
    return "pass" if found.compared else "inconclusive"


def _verdict(pending: Pending, outcome: Outcome, gates: GatesFile) -> Verdict:
    gate, check = pending.gate, pending.check
    unit = metric_named(gate.metric).unit if gate.metric else ""
    reason = check.problem or "; ".join(filter(None, (check.words(unit, outcome), _weak(check, outcome, gates))))
    return Verdict(
        id=gate.id,
        text=gate.text or f"{gate.metric} of {check.label}",
        verdict=RESULTS[outcome],
        reason=reason,
        about=check.label,
        metric=check.metric,
        value=check.value,
        limit=check.limit,
        ci=check.interval,
        n=check.n,
        complete=check.problem is None,
    )


def _weak(check: Check, outcome: Outcome, gates: GatesFile) -> str:
    """Say why an interval that is wholly beyond the limit is not red."""
    if outcome != "open" or check.interval is None:
        return ""
    low, high = check.bounds
    beyond = check.interval.low > high or check.interval.high < low
    level = f"{gates.false_alarm:.2%}".rstrip("%").rstrip("0").rstrip(".") + "%"
    return f"beyond the limit, but not at the {level} over all checks that turns a gate red" if beyond else ""
