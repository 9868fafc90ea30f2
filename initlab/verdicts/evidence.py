"""From a statement and a stored sweep to checks: select cells, measure runs, reduce, compare, and bound."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from initlab.errors import InitlabError, did_you_mean
from initlab.results.cells import Cell
from initlab.results.labels import join_label, list_labels, short
from initlab.results.metrics import Metric, check_probe, metric_named, on_grid
from initlab.results.reading import Results
from initlab.stats import brackets, optima
from initlab.stats.brackets import Bracket, SeedBrackets
from initlab.stats.compare import Comparison, compare, estimate_mean
from initlab.stats.optima import Optima
from initlab.stats.permutation import ExactTest, relabel, sign_flip
from initlab.stats.rates import Rate
from initlab.stats.sensitivity import best_losses, seed_sensitivities, stable_widths
from initlab.stats.slopes import loglog_slope
from initlab.stats.ties import Resolution, float_resolution
from initlab.verdicts.check import Check, check_estimate, check_every
from initlab.verdicts.statement import Reduction, Statement

AxisCurve: TypeAlias = Mapping[float, float]
"""One seed's values by the values of an axis."""


@dataclass(frozen=True)
class SeedValues:
    """One number a seed, in the metric's unit or as its logarithm (``log``); ``problem`` is why some are missing.

    ``bounds`` are what bounds their mean where the numbers alone do not, ``values`` then of the seeds that have one.
    ``resolution`` is that of the values, where the metric tells; ``note`` is to be said of whatever they show.
    """

    label: str
    values: dict[int, float] = field(default_factory=dict)
    log: bool = False
    problem: str | None = None
    bounds: SeedBrackets | Optima | None = None
    resolution: Resolution | None = None
    rate: bool = False
    note: str = ""


def checks(statement: Statement, results: Results, confidence: float) -> list[Check]:
    """Return one check a group of cells; raises InitlabError for cells, axes or probes that the results lack."""
    metric = statement_metric(statement, results)
    cells = selected(statement, results, metric)
    if statement.compare is None:
        label_fields = varying(cells)
        groups = [
            _seed_values(statement, metric, group, label_fields, results)
            for group in _groups(statement, cells, results)
        ]
        measurements = [_pooled(groups)] if statement.cells == "pooled" else groups
        return [_bounded(statement, metric, measurement, confidence) for measurement in measurements]
    sides = _sides(statement, metric, cells, results)
    if statement.cells == "pooled":
        candidates, references = zip(*sides, strict=True)
        sides = [(_pooled(candidates), _pooled(references))]
    return [_compared(statement, metric, candidate, reference, confidence) for candidate, reference in sides]


def statement_metric(statement: Statement, results: Results) -> Metric:
    """Return the metric a statement is about; raises InitlabError where its probe was not run."""
    assert statement.metric is not None
    metric = metric_named(statement.metric)
    check_probe(metric, results)
    return metric


def selected(statement: Statement, results: Results, metric: Metric) -> list[Cell]:
    """Return the cells a statement is about; a metric of training is not of cells that were only probed."""
    cells = results.select(statement.where)
    kept = [cell for cell in cells if cell.trained or not metric.trained]
    if not kept:
        why = f"{metric.name} needs trained cells" if cells else "no cell has all of it at once"
        raise InitlabError(f"where = {statement.where} selects nothing of {results.name}: {why}")
    return kept


def measured(metric: Metric, cell: Cell) -> SeedValues:
    """Return the metric of each of a cell's runs, on the scale on which it is averaged."""
    if cell.unfinished:
        return SeedValues(cell.label, problem=f"{cell.label}: {', '.join(cell.unfinished)}")
    values = {seed: metric.read(run) for seed, run in cell.runs.items()}
    lost = [seed for seed, value in values.items() if value is None]
    if lost:
        return SeedValues(cell.label, problem=f"{cell.label}: {metric.name} was not measured for seed {lost[0]}")
    found = _scaled(cell.label, {seed: value for seed, value in values.items() if value is not None}, metric.positive)
    return replace(found, resolution=_resolution(metric, found), rate=metric.rate)


def _scaled(label: str, values: dict[int, float], positive: bool) -> SeedValues:
    log = positive and all(value > 0 for value in values.values())
    return SeedValues(label, {seed: math.log(value) if log else value for seed, value in values.items()}, log)


def _resolution(metric: Metric, found: SeedValues) -> Resolution | None:
    """Return what is known of a metric's values before any is seen; None leaves it to the values."""
    if metric.rate:
        return Resolution(1.0, 0.0, 1.0)
    if not metric.fixed or not all(map(math.isfinite, found.values.values())):
        return None
    return float_resolution(np.array(list(found.values.values())), size=1.0 if found.log else None)


def grouped(cells: list[Cell], axes: Sequence[str], results: Results) -> list[list[Cell]]:
    """Return cells that differ in ``axes`` alone, and in what moves with these."""
    rest = [
        path for path in results.axes if path not in axes and not any(_follows(path, axis, cells) for axis in axes)
    ]
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(repr([cell.fields.get(path) for path in rest]), []).append(cell)
    return list(groups.values())


def _groups(statement: Statement, cells: list[Cell], results: Results) -> list[list[Cell]]:
    """Return cells that differ in the reduced and compared axes alone."""
    keys = (statement.over, statement.compare and statement.compare.axis)
    return grouped(cells, [results.field(key) for key in keys if key], results)


def _follows(path: str, axis: str, cells: list[Cell]) -> bool:
    """Whether a field is a function of an axis, as heads are of a width they are zipped with."""
    pairs = {(repr(cell.fields.get(axis)), repr(cell.fields.get(path))) for cell in cells}
    return 1 < len(pairs) == len({value for value, _ in pairs}) and len({value for _, value in pairs}) > 1


def _seed_values(
    statement: Statement, metric: Metric, group: list[Cell], label_fields: Collection[str], results: Results
) -> SeedValues:
    if statement.over is None or statement.reduce is None:
        if len(group) > 1:
            raise InitlabError(f"cells that no field tells apart: {list_labels([cell.label for cell in group])}")
        return replace(measured(metric, group[0]), label=common_label(group, label_fields))
    axis = results.field(statement.over)
    label = f"{common_label(group, label_fields, axis)} over {short(axis)}"
    return _reduced(statement, metric, curves(metric, group, axis), label)


@dataclass(frozen=True)
class SeedCurves:
    """One curve a seed: the axis's values to the metric's, in its own unit, and to whether the run diverged."""

    values: dict[int, dict[float, float]] = field(default_factory=dict)
    diverged: dict[int, dict[float, int]] = field(default_factory=dict)
    problem: str | None = None

    @property
    def all(self) -> list[float]:
        """The values of all seeds."""
        return [value for curve in self.values.values() for value in curve.values()]


def curves(metric: Metric, group: Sequence[Cell], axis: str) -> SeedCurves:
    """Return the curves of a group over an axis; seeds that lack a point are left out."""
    values: dict[int, dict[float, float]] = {}
    diverged: dict[int, dict[float, int]] = {}
    for cell in group:
        if axis not in cell.fields:  # of another version, or of another hand
            return SeedCurves(problem=f"{cell.label} has no {short(axis)}")
        points, x = measured(metric, cell), number(axis, cell.fields[axis])
        if points.problem:
            return SeedCurves(problem=points.problem)
        for seed, value in points.values.items():
            values.setdefault(seed, {})[x] = math.exp(value) if points.log else value
            diverged.setdefault(seed, {})[x] = int(cell.runs[seed].status == "diverged")
    return SeedCurves({seed: curve for seed, curve in values.items() if len(curve) == len(group)}, diverged)


def _reduced(statement: Statement, metric: Metric, by_seed: SeedCurves, label: str) -> SeedValues:
    """Return one number a seed from its curve over an axis."""
    assert statement.reduce is not None
    if by_seed.problem:
        return SeedValues(label, problem=by_seed.problem)
    if statement.reduce in BRACKETED or statement.reduce == "optimum":
        return _bracketed(statement, metric, by_seed, label)
    reduce = REDUCTIONS[statement.reduce]
    values = {seed: reduce(curve) for seed, curve in by_seed.values.items()}
    known = {seed: value for seed, value in values.items() if value is not None}
    if not known or len(known) < len(values):
        return SeedValues(label, problem=_too_few(statement, metric, label))
    reduced = _scaled(label, known, statement.reduce == "ratio")
    return replace(reduced, resolution=None if on_grid(metric) else float_resolution(size=1.0))


def _bracketed(statement: Statement, metric: Metric, by_seed: SeedCurves, label: str) -> SeedValues:
    """Return what the grid tells of all seeds together."""
    assert statement.reduce is not None
    if not by_seed.values or not all(map(math.isfinite, by_seed.all)):
        return SeedValues(label, problem=_too_few(statement, metric, label))
    if statement.reduce != "best" and min(map(min, by_seed.values.values())) <= 0:
        return SeedValues(label, problem=f"{label}: {statement.reduce} needs an axis of positive numbers")
    note = grid_note(by_seed)
    if statement.reduce == "optimum":
        return _optimum(by_seed, label, note)
    found = BRACKETED[statement.reduce](by_seed, statement.within)
    if found is None:
        return SeedValues(label, problem=_too_few(statement, metric, label))
    return SeedValues(label, found.values, bounds=found, note=note)


def _optimum(by_seed: SeedCurves, label: str, note: str) -> SeedValues:
    """Return where the mean curve is lowest, and each seed's best rate of the grid; of its ends, a bound alone."""
    found = optima.locate(by_seed.values)
    assert found is not None
    own = {seed: min(curve, key=curve.__getitem__) for seed, curve in by_seed.values.items()}
    if found.value is None:
        note = f"the lowest mean loss is at an end of the grid: a bound, no value; {note}"
    inside = {
        seed: rate for seed, rate in own.items() if min(by_seed.values[seed]) < rate < max(by_seed.values[seed])
    }
    values = {seed: math.log(rate) for seed, rate in inside.items()}
    return SeedValues(label, values, log=True, bounds=Optima(((1.0, found),)), note=note)


def grid_note(by_seed: SeedCurves) -> str:
    """Say over which values of the axis something was looked at: what is made of a curve depends on them."""
    values = sorted(next(iter(by_seed.values.values()), {}))
    if not values or values[0] <= 0:
        return f"over {len(values)} values"
    decades = math.log10(values[-1] / values[0])
    return f"over {len(values)} values from {values[0]:g} to {values[-1]:g} ({decades:.2g} decades)"


def _too_few(statement: Statement, metric: Metric, label: str) -> str:
    return f"{label}: {statement.reduce} of {metric.name} needs two values or more, all finite"


def number(axis: str, value: Any) -> float:
    """Return a value of an axis as a number; raises InitlabError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InitlabError(f"over = {axis!r}: expected an axis of numbers, which {value!r} is not")
    return float(value)


def _ratio(curve: AxisCurve) -> float | None:
    low, high = min(curve.values()), max(curve.values())
    return high / low if len(curve) > 1 and low > 0 else None


REDUCTIONS: dict[Reduction, Callable[[AxisCurve], float | None]] = {"slope": loglog_slope, "ratio": _ratio}
"""What is made of one seed's curve: its log-log slope, its largest over its smallest value."""

BRACKETED: dict[Reduction, Callable[[SeedCurves, float], SeedBrackets | None]] = {
    "sensitivity": lambda by_seed, within: seed_sensitivities(by_seed.values),
    "stable_decades": lambda by_seed, within: stable_widths(by_seed.values, by_seed.diverged, within),
    "best": lambda by_seed, within: best_losses(by_seed.values),
}
"""What is made of the curves of all seeds, with what bounds it: the sensitivity to the axis, how many decades are
stable, and the lowest value. ``optimum`` is where that lies."""


def varying(cells: Sequence[Cell]) -> set[str]:
    """Return the swept fields in which some cells differ."""
    paths = {path for cell in cells for path in cell.axes}
    return {path for path in paths if any(cell.fields.get(path) != cells[0].fields.get(path) for cell in cells)}


def common_label(group: Sequence[Cell], label_fields: Collection[str], *axes: str) -> str:
    """Return a group's init, activation and ``label_fields``, without the axes that run and what they move."""
    cell = group[0]
    axes = (*axes, *varying(group))
    named = [value for name, value in (("init", cell.init), ("activation", cell.activation)) if name not in axes]
    rest = {path: value for path, value in cell.axes.items() if path in label_fields and path not in axes}
    return join_label(named, rest)


def _sides(
    statement: Statement, metric: Metric, cells: list[Cell], results: Results
) -> list[tuple[SeedValues, SeedValues]]:
    """Return the two settings' values in every group that has both, seed by seed."""
    assert statement.compare is not None
    compare, axis = statement.compare, results.field(statement.compare.axis)
    settings = [_one_value(results, axis, value) for value in (compare.of, compare.against)]
    if settings[0] == settings[1]:
        raise InitlabError(f"compare: {compare.of!r} and {compare.against!r} are one value: it always equals itself")
    over, label_fields = [results.field(statement.over)] if statement.over else [], varying(cells)
    sides = []
    for group in _groups(statement, cells, results):
        left, right = ([cell for cell in group if cell.fields.get(axis) == value] for value in settings)
        if left and right:
            rest = common_label(left, label_fields, axis, *over)
            label = join_label([f"{compare.of} against {compare.against}", *([rest] if rest else [])], {})
            candidate, reference = (
                replace(_seed_values(statement, metric, side, label_fields, results), label=label)
                for side in (left, right)
            )
            sides.append((candidate, reference))
    if not sides:
        raise InitlabError(
            f"no cells of {results.name} differ in {axis} = {compare.of!r} and {compare.against!r} alone"
        )
    return sides


def _one_value(results: Results, axis: str, value: Any) -> Any:
    known = results.select({axis: value})[0].fields.get(axis)
    if known is None:
        raise InitlabError(
            f"no cell has {axis} = {value!r}{did_you_mean(str(value), map(str, results.values(axis)))}"
        )
    return known


def _pooled(cells: Sequence[SeedValues]) -> SeedValues:
    """Return the mean over cells, seed by seed, over the seeds that every cell has."""
    problem = next((cell.problem for cell in cells if cell.problem), None)
    label = cells[0].label if len(cells) == 1 else f"{cells[0].label}; and {len(cells) - 1} more, pooled"
    if problem:
        return SeedValues(label, problem=problem)
    if len({cell.log for cell in cells}) > 1:
        return SeedValues(label, problem="values of zero cannot be pooled with values on the log scale")
    known = [cell.values for cell in cells]
    seeds = sorted(set.intersection(*(set(values) for values in known)))
    located = [cell.bounds for cell in cells if isinstance(cell.bounds, Optima)]
    if located:
        bounds: SeedBrackets | Optima | None = optima.pooled(located)
    else:
        bracketed = [cell.bounds for cell in cells if isinstance(cell.bounds, SeedBrackets)]
        bounds = brackets.pooled(bracketed, seeds) if bracketed and seeds else None
    return replace(
        cells[0],
        label=label,
        values={seed: float(np.mean([values[seed] for values in known])) for seed in seeds},
        bounds=bounds,
        problem=None if seeds or located else "no seed is shared by all cells",
        rate=cells[0].rate and len(cells) == 1,
        note="; ".join(part for part in (cells[0].note, "" if located else _left_out(known, seeds)) if part),
    )


def _left_out(known: Sequence[Mapping[int, float]], seeds: Sequence[int]) -> str:
    """Say which seeds are not in every cell, and so in no mean over cells."""
    lost = sorted(set().union(*known) - set(seeds))
    return f"left out, not in every cell: seed {', '.join(map(str, lost))}" if lost else ""


def _bounded(statement: Statement, metric: Metric, measurement: SeedValues, confidence: float) -> Check:
    unmeasured = Check(
        measurement.label, metric.name, statement.bounds, note=measurement.note, problem=measurement.problem
    )
    if measurement.problem:
        return unmeasured
    values = list(measurement.values.values())
    if measurement.bounds and statement.seeds == "mean":
        return _check_bounds(unmeasured, measurement.bounds.mean(), measurement, confidence)
    if statement.seeds == "every" or not all(map(math.isfinite, values)):
        return _every(unmeasured, measurement, confidence)
    if measurement.rate:
        rate = Rate(round(sum(values)), len(values))
        return check_estimate(replace(unmeasured, note=rate.describe("diverged", confidence)), rate, confidence)
    estimate = estimate_mean(values, measurement.resolution)
    return check_estimate(unmeasured, estimate, confidence, log=measurement.log, value=values[0])


def _every(unmeasured: Check, measurement: SeedValues, confidence: float) -> Check:
    """Look at each run alone: what comes out is true of these runs, and no rule for others."""
    values = list(measurement.values.values())
    if measurement.bounds and len(values) < (n := measurement.bounds.mean().n):
        note = f"{n - len(values)} of {n} seeds have it at an end of the grid; {unmeasured.note}"
        return replace(unmeasured, p_outside=1.0, p_inside=1.0, n=n, note=note)
    if measurement.rate:
        rate = Rate(round(sum(values)), len(values))
        note = f"{rate.describe('diverged', confidence)}: true of these runs, no rule"
    else:
        note = "each run by itself: true of these runs, no rule"
    noted = replace(unmeasured, note="; ".join(part for part in (note, unmeasured.note) if part))
    return check_every(noted, [math.exp(value) if measurement.log else value for value in values])


def _compared(
    statement: Statement, metric: Metric, candidate: SeedValues, reference: SeedValues, confidence: float
) -> Check:
    problem = candidate.problem or reference.problem
    if problem is None and candidate.log != reference.log:
        problem = f"{metric.name} is zero on one side"
    if problem:
        return Check(candidate.label, metric.name, statement.bounds, problem=problem)
    unmeasured = Check(candidate.label, metric.name, statement.bounds)
    if candidate.bounds and reference.bounds:
        return _bounds_compared(unmeasured, candidate, reference, confidence)
    found = compared(unmeasured, candidate, reference, confidence, by_chance=on_grid(metric))
    return replace(found, note="; ".join(part for part in (found.note, candidate.note) if part))


def _bounds_compared(unmeasured: Check, candidate: SeedValues, reference: SeedValues, confidence: float) -> Check:
    notes = dict.fromkeys((candidate.note, reference.note))  # once where they are the same
    noted = replace(unmeasured, note="; ".join(note for note in notes if note))
    if isinstance(candidate.bounds, Optima) and isinstance(reference.bounds, Optima):
        return _check_bounds(noted, candidate.bounds.minus(reference.bounds), candidate, confidence)
    assert isinstance(candidate.bounds, SeedBrackets)
    assert isinstance(reference.bounds, SeedBrackets)
    return _check_bounds(noted, candidate.bounds.minus(reference.bounds), candidate, confidence)


def _check_bounds(unmeasured: Check, found: Bracket | Optima, measurement: SeedValues, confidence: float) -> Check:
    """Fill in ``unmeasured`` from what bounds a number; one seed has the number alone."""
    seen = found if found.n > 1 else None
    return check_estimate(unmeasured, seen, confidence, log=measurement.log, value=found.value)


def compared(
    unmeasured: Check,
    candidate: SeedValues,
    reference: SeedValues,
    confidence: float,
    *,
    rerun: bool = False,
    by_chance: bool = False,
) -> Check:
    """Fill in ``unmeasured`` with candidate minus reference: a difference, or a factor where both are logarithms.

    ``rerun`` says that both are runs of one setting: the same numbers are then the same runs, whatever their grid.
    ``by_chance`` says that the metric is on a grid: of one seed, the same numbers then say nothing.
    """
    if not all(map(math.isfinite, reference.values.values())):
        return replace(
            unmeasured, problem=f"{unmeasured.metric} is not finite in what {unmeasured.label} is compared with"
        )
    if not all(map(math.isfinite, candidate.values.values())):
        return check_every(replace(unmeasured, note="not finite"), [math.inf])
    comparison = compare(candidate.values, reference.values, _widest(candidate, reference))
    filled = replace(unmeasured, note=_method(comparison, candidate, reference))
    found = check_estimate(filled, comparison.estimate, confidence, log=candidate.log, value=comparison.difference)
    if comparison.identical and (rerun or (comparison.estimate is None and not by_chance)):
        low, high = unmeasured.bounds
        inside = low <= (1.0 if candidate.log else 0.0) <= high
        return replace(found, inside=inside, p_inside=None, note="the same numbers")
    return found


def _widest(*sides: SeedValues) -> Resolution | None:
    """Return one resolution for both arms, None where one of them is not known."""
    known = [side.resolution for side in sides if side.resolution]
    return max(known, key=lambda one: one.step) if len(known) == len(sides) else None


def exact_test(candidate: SeedValues, reference: SeedValues, comparison: Comparison) -> ExactTest | None:
    """Return the exact test that goes with a comparison: sign flips of pairs, else relabelling."""
    if comparison.method == "paired t":
        return sign_flip(comparison.differences)
    return relabel(list(candidate.values.values()), list(reference.values.values()))


def _method(comparison: Comparison, candidate: SeedValues, reference: SeedValues) -> str:
    if comparison.identical:
        return "the same numbers"
    exact = exact_test(candidate, reference, comparison)
    exact_text = f"; {exact.describe()}" if exact else ""
    if comparison.method == "Welch t":
        return f"seeds are not shared: Welch's test{exact_text}"
    correlation = "" if comparison.correlation is None else f", correlation {comparison.correlation:.2f}"
    return f"paired by seed{correlation}{exact_text}"
