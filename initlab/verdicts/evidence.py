"""From a statement and a stored sweep to checks: select cells, measure runs, reduce, compare, and bound."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from initlab.errors import InitlabError, did_you_mean
from initlab.results.cells import Cell
from initlab.results.labels import join_label, list_labels, short
from initlab.results.metrics import Metric, check_probe, metric_named
from initlab.results.reading import Results
from initlab.stats.compare import Comparison, compare, estimate_mean
from initlab.stats.permutation import Exact, relabel, sign_flip
from initlab.stats.sensitivity import optimum, sensitivity, stable_range
from initlab.stats.slopes import loglog_slope
from initlab.verdicts.check import Check, check_estimate, check_every
from initlab.verdicts.statement import Reduction, Statement

Curve = Mapping[float, float]


@dataclass(frozen=True)
class Series:
    """One number a seed. ``log`` says that they are logarithms; ``problem`` why some are missing."""

    label: str
    values: dict[int, float] = field(default_factory=dict)
    log: bool = False
    problem: str | None = None


def checks(statement: Statement, sweep: Results, confidence: float) -> list[Check]:
    """Return one check a group of cells. Raises InitlabError for cells, axes or probes that the sweep has not."""
    metric = statement_metric(statement, sweep)
    cells = selected(statement, sweep, metric)
    if statement.compare is None:
        told = varying(cells)
        found = [_series(statement, metric, group, told, sweep) for group in _groups(statement, cells, sweep)]
        series = [_pooled(found)] if statement.cells == "pooled" else found
        return [_bounded(statement, metric, one, confidence) for one in series]
    sides = _sides(statement, metric, cells, sweep)
    if statement.cells == "pooled":
        sides = [(_pooled([of for of, _ in sides]), _pooled([against for _, against in sides]))]
    return [_compared(statement, metric, of, against, confidence) for of, against in sides]


def statement_metric(statement: Statement, sweep: Results) -> Metric:
    assert statement.metric is not None
    metric = metric_named(statement.metric)
    check_probe(metric, sweep)
    return metric


def selected(statement: Statement, sweep: Results, metric: Metric) -> list[Cell]:
    """Return the cells a statement is about; a metric of training is not of cells that were only probed."""
    cells = sweep.select(statement.where)
    kept = [cell for cell in cells if cell.trained or not metric.trained]
    if not kept:
        why = f"{metric.name} wants trained cells" if cells else "no cell has all of it at once"
        raise InitlabError(f"where = {statement.where} selects nothing of {sweep.name}: {why}")
    return kept


def measured(metric: Metric, cell: Cell) -> Series:
    """Return the metric of each of a cell's runs, on the scale on which it is averaged."""
    if cell.unfinished:
        return Series(cell.label, problem=f"{cell.label}: {', '.join(cell.unfinished)}")
    values = {seed: metric.read(run) for seed, run in cell.runs.items()}
    lost = [seed for seed, value in values.items() if value is None]
    if lost:
        return Series(cell.label, problem=f"{cell.label}: {metric.name} was not measured for seed {lost[0]}")
    return _scaled(cell.label, {seed: value for seed, value in values.items() if value is not None}, metric.positive)


def _scaled(label: str, values: dict[int, float], positive: bool) -> Series:
    log = positive and all(value > 0 for value in values.values())
    return Series(label, {seed: math.log(value) if log else value for seed, value in values.items()}, log)


def grouped(cells: list[Cell], axes: Sequence[str], sweep: Results) -> list[list[Cell]]:
    """Return cells that differ in ``axes`` alone, and in what moves with these."""
    rest = [path for path in sweep.axes if path not in axes and not any(_follows(path, axis, cells) for axis in axes)]
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(repr([cell.fields.get(path) for path in rest]), []).append(cell)
    return list(groups.values())


def _groups(statement: Statement, cells: list[Cell], sweep: Results) -> list[list[Cell]]:
    """Return cells that differ in the reduced and compared axes alone."""
    keys = (statement.over, statement.compare and statement.compare.axis)
    return grouped(cells, [sweep.field(key) for key in keys if key], sweep)


def _follows(path: str, axis: str, cells: list[Cell]) -> bool:
    """Whether a field is a function of an axis, as heads are of a width they are zipped with."""
    pairs = {(repr(cell.fields.get(axis)), repr(cell.fields.get(path))) for cell in cells}
    return 1 < len(pairs) == len({value for value, _ in pairs}) and len({value for _, value in pairs}) > 1


def _series(statement: Statement, metric: Metric, group: list[Cell], told: Collection[str], sweep: Results) -> Series:
    if statement.over is None or statement.reduce is None:
        if len(group) > 1:
            raise InitlabError(f"cells that no field tells apart: {list_labels([cell.label for cell in group])}")
        return replace(measured(metric, group[0]), label=common_label(group, told))
    axis = sweep.field(statement.over)
    label = f"{common_label(group, told, axis)} over {short(axis)}"
    return _reduced(statement, metric, curves(metric, group, axis), label)


@dataclass(frozen=True)
class Curves:
    """One curve a seed: the axis's values to the metric's, in its own unit, and to whether the run diverged."""

    values: dict[int, dict[float, float]] = field(default_factory=dict)
    diverged: dict[int, dict[float, int]] = field(default_factory=dict)
    problem: str | None = None


def curves(metric: Metric, group: Sequence[Cell], axis: str) -> Curves:
    """Return the curves of a group over an axis; seeds that lack a point are left out."""
    values: dict[int, dict[float, float]] = {}
    diverged: dict[int, dict[float, int]] = {}
    for cell in group:
        found, x = measured(metric, cell), number(axis, cell.fields[axis])
        if found.problem:
            return Curves(problem=found.problem)
        for seed, value in found.values.items():
            values.setdefault(seed, {})[x] = math.exp(value) if found.log else value
            diverged.setdefault(seed, {})[x] = int(cell.runs[seed].status == "diverged")
    return Curves({seed: curve for seed, curve in values.items() if len(curve) == len(group)}, diverged)


def _reduced(statement: Statement, metric: Metric, found: Curves, label: str) -> Series:
    """Return one number a seed from its curve over an axis."""
    assert statement.reduce is not None
    if found.problem:
        return Series(label, problem=found.problem)
    reduce = REDUCTIONS[statement.reduce]
    values = {seed: reduce(curve, found.diverged[seed], statement.within) for seed, curve in found.values.items()}
    known = {seed: value for seed, value in values.items() if value is not None}
    if not known or len(known) < len(values):
        return Series(
            label, problem=f"{label}: {statement.reduce} of {metric.name} wants two values or more, all finite"
        )
    return _scaled(label, known, statement.reduce in ("ratio", "optimum"))


def number(axis: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InitlabError(f"over = {axis!r}: wants an axis of numbers, which {value!r} is not")
    return float(value)


def _ratio(curve: Curve) -> float | None:
    low, high = min(curve.values()), max(curve.values())
    return high / low if len(curve) > 1 and low > 0 else None


def _decades(curve: Curve, diverged: Mapping[float, int], within: float) -> float:
    found = stable_range([curve], diverged, within)
    return found.decades if found else 0.0


REDUCTIONS: dict[Reduction, Callable[[Curve, Mapping[float, int], float], float | None]] = {
    "slope": lambda curve, diverged, within: loglog_slope(curve),
    "ratio": lambda curve, diverged, within: _ratio(curve),
    "sensitivity": lambda curve, diverged, within: sensitivity(curve),
    "optimum": lambda curve, diverged, within: optimum(curve),
    "stable_decades": _decades,
    "best": lambda curve, diverged, within: min(curve.values()),
}
"""What is made of one seed's curve: its log-log slope, its largest over its smallest value, its sensitivity to the
axis, where its lowest value lies, how many decades are stable, and that lowest value."""


def varying(cells: Sequence[Cell]) -> set[str]:
    """Return the swept fields in which some cells differ."""
    paths = {path for cell in cells for path in cell.axes}
    return {path for path in paths if any(cell.fields.get(path) != cells[0].fields.get(path) for cell in cells)}


def common_label(group: Sequence[Cell], told: Collection[str], *axes: str) -> str:
    """Return a group's init, activation and the fields of ``told``, without the axes that run and what they move."""
    cell = group[0]
    axes = (*axes, *varying(group))
    named = [value for name, value in (("init", cell.init), ("activation", cell.activation)) if name not in axes]
    rest = {path: value for path, value in cell.axes.items() if path in told and path not in axes}
    return join_label(named, rest)


def _sides(statement: Statement, metric: Metric, cells: list[Cell], sweep: Results) -> list[tuple[Series, Series]]:
    """Return the two settings' series of every group that has both."""
    assert statement.compare is not None
    wanted, axis = statement.compare, sweep.field(statement.compare.axis)
    of, against = (_one_value(sweep, axis, value) for value in (wanted.of, wanted.against))
    over, told = [sweep.field(statement.over)] if statement.over else [], varying(cells)
    sides = []
    for group in _groups(statement, cells, sweep):
        here, there = ([cell for cell in group if cell.fields.get(axis) == value] for value in (of, against))
        if here and there:
            one, other = (_series(statement, metric, side, told, sweep) for side in (here, there))
            rest = common_label(here, told, axis, *over)
            label = join_label([f"{wanted.of} against {wanted.against}", *([rest] if rest else [])], {})
            sides.append((replace(one, label=label), replace(other, label=label)))
    if not sides:
        raise InitlabError(f"no cells of {sweep.name} differ in {axis} = {wanted.of!r} and {wanted.against!r} alone")
    return sides


def _one_value(sweep: Results, axis: str, value: Any) -> Any:
    found = sweep.select({axis: value})[0].fields.get(axis)
    if found is None:
        raise InitlabError(f"no cell has {axis} = {value!r}{did_you_mean(str(value), map(str, sweep.values(axis)))}")
    return found


def _pooled(found: Sequence[Series]) -> Series:
    """Return the mean over cells, seed by seed, over the seeds that every cell has."""
    problem = next((series.problem for series in found if series.problem), None)
    label = found[0].label if len(found) == 1 else f"{found[0].label}; and {len(found) - 1} more, pooled"
    if problem:
        return Series(label, problem=problem)
    if len({series.log for series in found}) > 1:
        return Series(label, problem="values of zero cannot be pooled with values on the log scale")
    seeds = set.intersection(*(set(series.values) for series in found))
    values = {seed: float(np.mean([series.values[seed] for series in found])) for seed in sorted(seeds)}
    return Series(label, values, found[0].log, None if seeds else "no seed is shared by all cells")


def _bounded(statement: Statement, metric: Metric, series: Series, confidence: float) -> Check:
    blank = Check(series.label, metric.name, statement.bounds, problem=series.problem)
    if series.problem:
        return blank
    values = list(series.values.values())
    if statement.seeds == "every" or not all(map(math.isfinite, values)):
        return check_every(blank, [math.exp(value) if series.log else value for value in values])
    return check_estimate(blank, estimate_mean(values), confidence, log=series.log, value=values[0])


def _compared(statement: Statement, metric: Metric, of: Series, against: Series, confidence: float) -> Check:
    problem = of.problem or against.problem
    if problem is None and of.log != against.log:
        problem = f"{metric.name} is zero on one side"
    if problem:
        return Check(of.label, metric.name, statement.bounds, problem=problem)
    return compared(Check(of.label, metric.name, statement.bounds), of, against, confidence)


def compared(blank: Check, of: Series, against: Series, confidence: float) -> Check:
    """Fill in ``blank`` with of minus against: a difference, or a factor where both are logarithms."""
    if not all(map(math.isfinite, against.values.values())):
        return replace(blank, problem=f"{blank.metric} is not finite in what {blank.label} is compared with")
    if not all(map(math.isfinite, of.values.values())):
        return check_every(replace(blank, note="not finite"), [math.inf])
    found = compare(of.values, against.values)
    filled = replace(blank, note=_method(found, of, against))
    if found.estimate is None and found.identical:
        low, high = blank.bounds
        inside = low <= (1.0 if of.log else 0.0) <= high
        return replace(filled, value=1.0 if of.log else 0.0, n=1, inside=inside, note="the same numbers")
    return check_estimate(filled, found.estimate, confidence, log=of.log, value=found.difference)


def exact_test(here: Series, there: Series, found: Comparison) -> Exact | None:
    """Return the exact test that goes with a comparison: sign flips of pairs, else relabelling."""
    if found.method == "paired t":
        return sign_flip(found.differences)
    return relabel(list(here.values.values()), list(there.values.values()))


def _method(found: Comparison, of: Series, against: Series) -> str:
    if found.identical:
        return "the same numbers"
    exact = exact_test(of, against, found)
    words = f"; {exact.words()}" if exact else ""
    if found.method == "Welch t":
        return f"seeds are not shared: Welch's test{words}"
    correlation = "" if found.correlation is None else f", correlation {found.correlation:.2f}"
    return f"paired by seed{correlation}{words}"
