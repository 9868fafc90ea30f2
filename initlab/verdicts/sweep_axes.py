"""What a sweep says of its axes without being asked: sensitivity to the learning rate, and coordinate checks.

For every init and activation: how much the choice of learning rate matters, where the best one is and how it moves
with width and depth; and how the residual stream and the logits scale with width and depth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from initlab.results.cells import Cell
from initlab.results.metrics import METRICS, Metric, metric_named
from initlab.results.reading import Results
from initlab.spec.fields import BASE_SIZES
from initlab.stats.compare import estimate_mean
from initlab.stats.sensitivity import StableRange, optimum, sensitivity, stable_range
from initlab.stats.slopes import Slope, coordinate_check
from initlab.stats.summaries import Interval, geometric_mean, mean
from initlab.verdicts.evidence import common_label, curves, grouped, number, varying

RATE = "train.lr"
SIZES = tuple(f"model.{name}" for name in BASE_SIZES)
SCALES = ("residual_ms.last", "logit_var.last", "residual_ms.last@end", "logit_var.last@end")


@dataclass(frozen=True)
class Sensitivity:
    """One init and activation at one size. Losses are nats; intervals are Student's, over ``n`` seeds.

    ``at_edge`` says that the best rate is an end of the grid, so that the true optimum may lie beyond.
    """

    label: str
    rates: int
    n: int
    diverged: int
    sensitivity: float
    interval: Interval | None
    optimum: float
    at_edge: bool
    stable: StableRange | None


@dataclass(frozen=True)
class Scaling:
    """How one number of one init and activation moves over an axis."""

    label: str
    axis: str
    what: str
    slope: Slope


def sensitivities(results: Results) -> list[Sensitivity]:
    """Return a row for every group of trained cells that differ in the learning rate alone; nothing where no rate is
    swept, and no row for a group that is not finished."""
    if RATE not in results.axes:
        return []
    cells = [cell for cell in results.cells if cell.trained]
    groups = [group for group in grouped(cells, [RATE], results) if len(group) > 1]
    label_fields = _label_fields(groups)
    rows = [_sensitivity(group, label_fields) for group in groups]
    return [row for row in rows if row is not None]


def _label_fields(groups: Sequence[Sequence[Cell]]) -> set[str]:
    """Return the fields that tell the cells of some groups apart."""
    return varying([cell for group in groups for cell in group])


def _sensitivity(group: list[Cell], label_fields: set[str]) -> Sensitivity | None:
    by_seed = curves(METRICS["final_loss"], group, RATE)
    if not by_seed.values:
        return None
    loss_curves = list(by_seed.values.values())
    values = [value for curve in loss_curves if (value := sensitivity(curve)) is not None]
    best = [rate for curve in loss_curves if (rate := optimum(curve)) is not None]
    diverged = {rate: sum(seed.get(rate, 0) for seed in by_seed.diverged.values()) for rate in loss_curves[0]}
    estimate = estimate_mean(values)
    return Sensitivity(
        label=common_label(group, label_fields, RATE),
        rates=len(group),
        n=len(loss_curves),
        diverged=sum(diverged.values()),
        sensitivity=mean(values) or 0.0,
        interval=estimate.interval() if estimate else None,
        optimum=geometric_mean(best) or 0.0,
        at_edge=any(rate in (min(loss_curves[0]), max(loss_curves[0])) for rate in best),
        stable=stable_range(loss_curves, diverged),
    )


def scalings(results: Results) -> list[Scaling]:
    """Return coordinate checks over every size that is swept, and how the best learning rate moves with it."""
    rows = []
    for axis in (axis for axis in SIZES if axis in results.axes):
        rows += _moments(results, axis)
        rows += _shifts(results, axis)
    return rows


def _moments(results: Results, axis: str) -> list[Scaling]:
    rows = []
    for name in SCALES:
        groups = [group for group in grouped(_cells(results, name), [axis], results) if len(group) > 1]
        slopes = [(group, _slope(metric_named(name), group, axis)) for group in groups]
        label_fields = _label_fields(groups)
        rows += [
            Scaling(common_label(group, label_fields, axis), axis, name, slope) for group, slope in slopes if slope
        ]
    return rows


def _cells(results: Results, name: str) -> list[Cell]:
    """Where training ended means something only in cells that were trained."""
    return [cell for cell in results.cells if cell.trained or not name.endswith("@end")]


def _slope(metric: Metric, group: Sequence[Cell], axis: str) -> Slope | None:
    return coordinate_check(list(curves(metric, group, axis).values.values()))


def _shifts(results: Results, axis: str) -> list[Scaling]:
    """Return the exponent of the best learning rate over a size, from one grid of rates a size."""
    if RATE not in results.axes:
        return []
    rows, cells = [], _cells(results, "@end")
    for group in grouped(cells, [RATE, axis], results):
        by_size: dict[float, list[Cell]] = {}
        for cell in group:
            by_size.setdefault(number(axis, cell.fields[axis]), []).append(cell)
        if len(by_size) > 1 and min(map(len, by_size.values())) > 1:
            slope = coordinate_check([shift for shift in _shift_curves(by_size) if shift])
            if slope is not None:
                label = common_label(group, varying(cells), RATE, axis)
                rows.append(Scaling(label, axis, "best learning rate", slope))
    return rows


def _shift_curves(by_size: dict[float, list[Cell]]) -> list[dict[float, float]]:
    """Return each seed's best learning rate by size."""
    by_size_and_seed = {size: curves(METRICS["final_loss"], group, RATE).values for size, group in by_size.items()}
    seeds = set.intersection(*(set(by_seed) for by_seed in by_size_and_seed.values()))
    return [
        {size: rate for size, by_seed in by_size_and_seed.items() if (rate := optimum(by_seed[seed])) is not None}
        for seed in sorted(seeds)
    ]
