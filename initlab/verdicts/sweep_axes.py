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
from initlab.stats.brackets import SeedBrackets
from initlab.stats.sensitivity import Optimum, StableRange, is_even, log_optima, seed_sensitivities, stable_range
from initlab.stats.slopes import Slope, coordinate_check
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
    ``at_edge`` counts the seeds whose best rate is an end of the grid: ``optimum`` (a geometric mean) has no rate
    then, only bounds.
    """

    label: str
    rates: int
    span: tuple[float, float]
    even: bool
    n: int
    diverged: int
    sensitivity: float
    interval: Interval | None
    optimum: Optimum
    at_edge: int
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
    found, best = seed_sensitivities(by_seed.values), log_optima(by_seed.values)
    diverged = {rate: sum(seed.get(rate, 0) for seed in by_seed.diverged.values()) for rate in rates}
    estimate = found.mean() if found else None
    return Sensitivity(
        label=common_label(group, label_fields, RATE),
        rates=len(rates),
        span=(rates[0], rates[-1]),
        even=is_even(rates),
        n=len(loss_curves),
        diverged=sum(diverged.values()),
        sensitivity=mean(list(found.values.values())) or 0.0 if found else 0.0,
        interval=estimate.interval() if estimate else None,
        optimum=_mean_optimum(best),
        at_edge=best.censored,
        stable=stable_range(loss_curves, diverged),
    )


def _mean_optimum(best: SeedBrackets) -> Optimum:
    """Return the geometric mean of the best rates, or of what bounds them where some are not known."""
    sides = (best.lows, best.highs) if best.censored else (best.values, best.values)
    return Optimum(*(math.exp(mean(list(side.values())) or 0.0) for side in sides))


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
    found = {size: log_optima(curves(METRICS["final_loss"], group, RATE).values) for size, group in by_size.items()}
    seeds = sorted(set.intersection(*(set(best.lows) for best in found.values())))
    if not seeds:
        return None
    ends = sum(seed not in best.values for best in found.values() for seed in seeds)
    if ends:
        sizes = ", ".join(f"{size:g}" for size, best in sorted(found.items()) if best.censored)
        problem = f"{ends} of {len(seeds) * len(found)} best rates are an end of the grid (at {sizes}): bounds"
        return Scaling(label, axis, "best learning rate", None, problem)
    shifts = [{size: math.exp(best.values[seed]) for size, best in found.items()} for seed in seeds]
    slope = coordinate_check(shifts, resolution=float_resolution(size=1.0))
    return Scaling(label, axis, "best learning rate", slope) if slope else None
