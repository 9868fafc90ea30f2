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
from initlab.files.untrusted import link_out, named_path
from initlab.results.metrics import metric_named
from initlab.results.reading import Results
from initlab.verdicts import drift
from initlab.verdicts.check import Check, Outcome, decide
from initlab.verdicts.evidence import (
    SeedValues,
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
class GateCheck:
    """A check, and the gate that made it."""

    gate: Gate
    check: Check


def judge_gates(gates: GatesFile, file: TomlFile, results: Results, baseline: Results | None) -> list[Verdict]:
    """Return a verdict for each gate and cell, and one for each kind of drift.

    Raises InitlabError, naming key and line, where a gate asks for what the results lack, or for a baseline that is
    not given.
    """
    if gates.needs_baseline and baseline is None:
        key = ("drift",) if gates.drift else ()
        raise InitlabError(f"{file.where(key)}: compares with a baseline; give one with --baseline DIR")
    pending: list[GateCheck] = []
    for number, gate in enumerate(gates.gate):
        try:
            if baseline is not None and gate.max_regression is not None:
                gate_checks = _regressions(gate, results, baseline, gates)
            else:
                gate_checks = checks(gate, results, gates.confidence)
        except InitlabError as error:
            raise InitlabError(f"{file.where(('gate', number))}: {error}") from error
        pending += [GateCheck(gate, check) for check in gate_checks]
    outcomes = decide([one.check for one in pending], gates.false_alarm)
    drifts = _drifts(gates, results, baseline) if baseline and gates.drift else []
    return drifts + [_verdict(one, outcome, gates) for one, outcome in zip(pending, outcomes, strict=True)]


def overall(verdicts: Iterable[Verdict]) -> Result:
    """Return the worst: runs without a result leave no verdict at all."""
    present = {verdict.verdict for verdict in verdicts}
    order: tuple[Result, ...] = ("error", "fail", "inconclusive")
    return next((result for result in order if result in present), "pass")


def exit_code(result: Result, *, strict: bool) -> int:
    """Return the process's exit code; ``strict`` gives one of its own to an inconclusive result."""
    return EXIT_STRICT_INCONCLUSIVE if strict and result == "inconclusive" else EXIT[result]


def baseline_path(gates: GatesFile, file: TomlFile, given: Path | None) -> Path | None:
    """Return where the baseline is: as given, else as the file says, from where the file is.

    Raises InitlabError for one that the file may not name.
    """
    if given is not None or gates.baseline is None:
        return given
    path = file.path.parent / named_path(gates.baseline, file.where(("baseline",)))
    if link_out(path, file.path.parent) is not None and link_out(path, Path()) is not None:
        raise InitlabError(
            f"{file.where(('baseline',))}: a gates file reads baselines in its own folder, or below the folder "
            f"that the command is given in, and {path} is in neither; name it on the command line: --baseline {path}"
        )
    return path


def _regressions(gate: Gate, results: Results, baseline: Results, gates: GatesFile) -> list[Check]:
    """Return the change of each cell since the baseline, against how much worse it may be.

    Raises InitlabError where no cell is in the baseline, unless the gate on drift says so already.
    """
    metric = statement_metric(gate, results)
    cells = selected(gate, results, metric)
    in_baseline = {id(cell): counterpart for cell, counterpart in drift.matching(results, baseline)}
    if not any(id(cell) in in_baseline for cell in cells) and not (gates.drift and gates.drift.config):
        raise InitlabError(
            f"{baseline.name} has no cell like those of {results.name}: the same init, activation and axes"
        )
    plain = replace(metric, positive=False)  # a share of a mean is on the metric's own scale
    label_fields = varying(cells)
    return [
        _regression(
            gate,
            common_label([cell], label_fields),
            measured(plain, cell),
            measured(plain, counterpart),
            gates.confidence,
        )
        if (counterpart := in_baseline.get(id(cell))) is not None
        else Check(
            common_label([cell], label_fields), f"{gate.metric} change", NO_BOUNDS, p_outside=1.0, note=NEW_CELL
        )
        for cell in cells
    ]


NO_BOUNDS = (-math.inf, math.inf)
NEW_CELL = "the baseline has no such cell"


def _regression(gate: Gate, label: str, current: SeedValues, before: SeedValues, confidence: float) -> Check:
    unmeasured = Check(label, f"{gate.metric} change", NO_BOUNDS, problem=current.problem or before.problem)
    if before.problem and not current.problem:
        unmeasured = replace(unmeasured, problem=f"baseline: {before.problem}")
    if unmeasured.problem:
        return unmeasured
    baseline_mean = float(np.mean(list(before.values.values())))
    limit = max((gate.max_regression or 0.0) * abs(baseline_mean), gate.floor)
    unmeasured = replace(unmeasured, bounds=(-math.inf, limit) if gate.worse == "higher" else (-limit, math.inf))
    return compared(unmeasured, current, before, confidence, rerun=True)


def _drifts(gates: GatesFile, results: Results, baseline: Results) -> list[Verdict]:
    assert gates.drift is not None
    kinds: list[tuple[bool, str, str, Callable[[], drift.DriftReport]]] = [
        (gates.drift.laws, "law-drift", "every slot has the law it has in the baseline",
         lambda: drift.law_drift(results, baseline)),
        (gates.drift.config, "config-drift", "every field is what it is in the baseline",
         lambda: drift.config_drift(results, baseline, gates.drift.ignore if gates.drift else ())),
    ]  # fmt: skip
    reports = [(name, text, look()) for on, name, text, look in kinds if on]
    return [
        Verdict(
            id=name,
            text=text,
            verdict=_drift_result(report),
            reason=report.problem or report.describe(),
            metric="drift",
            value=None if report.problem else float(len(report.differences)),
            limit=0.0,
            n=report.compared,
            complete=report.problem is None,
        )
        for name, text, report in reports
    ]


def _drift_result(report: drift.DriftReport) -> Result:
    if report.problem:
        return "error"
    if report.differences:
        return "fail"
    return "pass" if report.compared else "inconclusive"


def _verdict(pending: GateCheck, outcome: Outcome, gates: GatesFile) -> Verdict:
    gate, check = pending.gate, pending.check
    unit = metric_named(gate.metric).unit if gate.metric else ""
    reason = check.problem or "; ".join(filter(None, (check.describe(unit, outcome), _weak(check, outcome, gates))))
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
        sides=check.interval.sides if check.interval else None,
        n=check.n,
        complete=check.problem is None,
    )


def _weak(check: Check, outcome: Outcome, gates: GatesFile) -> str:
    """Return why an interval that is wholly beyond the limit is not red."""
    if outcome != "open" or check.interval is None:
        return ""
    low, high = check.bounds
    beyond = check.interval.low > high or check.interval.high < low
    level = f"{gates.false_alarm:.2%}".rstrip("%").rstrip("0").rstrip(".") + "%"
    return f"beyond the limit, but not at the {level} over all checks that turns a gate red" if beyond else ""
