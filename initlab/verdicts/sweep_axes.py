"""What a sweep says of its axes without being asked: sensitivity to the learning rate, and coordinate checks.

For every init and activation: how much the choice of learning rate matters, where the best one is and how it moves
with width and depth; and how the residual stream and the logits scale with width and depth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from initlab.results.cells import Cell
from initlab.results.metrics import METRICS, Metric, metric_named, on_grid
from initlab.results.reading import Results
from initlab.spec.fields import BASE_SIZES
from initlab.stats.optima import Optima, locate, loglog_slope_of
from initlab.stats.sensitivity import StableRange, is_even, seed_sensitivities, stable_range
from initlab.stats.slopes import Slope, coordinate_check, trend
from initlab.stats.summaries import Interval, mean
from initlab.stats.ties import float_resolution
from initlab.verdicts.evidence import common_label, curves, grouped, number, varying

RATE = "train.lr"
SIZES = tuple(f"model.{name}" for name in BASE_SIZES)
SCALES = ("residual_ms.last", "logit_var.last", "residual_ms.last@end", "logit_var.last@end")


@dataclass(frozen=True)
class Sensitivity:
    """One init and activation at one size. Losses are nats; intervals are over ``n`` seeds.

    ``span`` is the range of rates, which enters every number here, and ``even`` whether they are evenly spaced on it.
    ``optimum`` is None where the lowest mean loss is at an end of the grid: then, and wherever an end may be the best
    rate, ``optimum_interval`` has one side alone.
    """

    label: str
    rates: int
    span: tuple[float, float]
    even: bool
    n: int
    diverged: int
    sensitivity: float
    interval: Interval | None
    optimum: float | None
    optimum_interval: Interval | None
    stable: StableRange | None

    @property
    def decades(self) -> float:
        """The range of rates, in powers of ten."""
        return math.log10(self.span[1] / self.span[0])


@dataclass(frozen=True)
class Scaling:
    """How one number of one init and activation moves over an axis; ``problem`` says why there is no exponent."""

    label: str
    axis: str
    what: str
    slope: Slope | None
    problem: str = ""


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
    rates = sorted(loss_curves[0])
    found, best = seed_sensitivities(by_seed.values), locate(by_seed.values)
    assert best is not None
    diverged = {rate: sum(seed.get(rate, 0) for seed in by_seed.diverged.values()) for rate in rates}
    estimate = found.mean() if found and len(loss_curves) > 1 else None
    return Sensitivity(
        label=common_label(group, label_fields, RATE),
        rates=len(rates),
        span=(rates[0], rates[-1]),
        even=is_even(rates),
        n=len(loss_curves),
        diverged=sum(diverged.values()),
        sensitivity=mean(list(found.values.values())) or 0.0 if found else 0.0,
        interval=estimate.interval() if estimate else None,
        optimum=None if best.value is None else math.exp(best.value),
        optimum_interval=Interval(*map(_rate, Optima(((1.0, best),)).interval())) if best.n > 1 else None,
        stable=stable_range(loss_curves, diverged),
    )


def _rate(log_rate: float) -> float:
    """Return a limit on a rate; one that is infinite, on either side, is none."""
    return math.exp(log_rate) if math.isfinite(log_rate) else log_rate


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
    resolution = None if on_grid(metric) else float_resolution(size=1.0)
    return coordinate_check(list(curves(metric, group, axis).values.values()), resolution=resolution)


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
            label = common_label(group, varying(cells), RATE, axis)
            if (row := _shift(label, axis, by_size)) is not None:
                rows.append(row)
    return rows


def _shift(label: str, axis: str, by_size: dict[float, list[Cell]]) -> Scaling | None:
    """Return how the best rate moves; no exponent where a best rate is an end of its grid, and so is none."""
    found = {size: locate(curves(METRICS["final_loss"], group, RATE).values) for size, group in by_size.items()}
    located = [(size, one) for size, one in sorted(found.items()) if one is not None]
    if len(located) < len(found):
        return None
    ends = [f"{size:g}" for size, one in located if one.value is None]
    if ends:
        return Scaling(label, axis, "best learning rate", None, f"an end of the grid at {', '.join(ends)}: a bound")
    moved = loglog_slope_of(located)
    interval = moved.interval() if moved.n > 1 else None
    slope = Slope(moved.value or 0.0, interval, moved.n, trend(interval))
    return Scaling(label, axis, "best learning rate", slope)
