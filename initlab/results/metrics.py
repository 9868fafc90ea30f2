"""What a metric's name means on a stored run.

``final_loss`` and its like are numbers of a run's summary; ``residual_var.last`` is a probe reduced over its sites,
at step 0, ``residual_var.last@end`` the same where training ended, and ``update_ratio_ffn_up.mean@1`` after one step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from initlab.errors import InitlabError, did_you_mean
from initlab.probes.reductions import is_positive, unit_of
from initlab.results.cells import Run
from initlab.results.reading import Results
from initlab.stats.censor import censored


@dataclass(frozen=True)
class Metric:
    """A number a run has, or None where it was not measured.

    ``trained`` metrics exist only where steps were taken. A ``positive`` one is averaged and compared on the log
    scale, where moments of a few seeds are close to Gaussian: means are geometric, changes are factors. ``fixed``
    ones may be the same number in every seed because a law makes them so; of all others, equal numbers are chance. A
    ``rate`` is 0 or 1 for each run.
    """

    name: str
    unit: str
    summary: str
    read: Callable[[Run], float | None]
    trained: bool = False
    positive: bool = False
    fixed: bool = False
    rate: bool = False


def metric_named(name: str) -> Metric:
    """Return a metric; raises InitlabError for a name that means nothing, with the nearest that does."""
    if name in METRICS:
        return METRICS[name]
    probe, dot, rest = name.partition(".")
    place, at, moment = rest.partition("@")
    if not dot:
        hint = did_you_mean(name, METRICS)
        raise InitlabError(f"no metric {name!r}, and a probe is read at a place: {name}.last{hint}")
    if place not in PLACES:
        raise InitlabError(f"metric {name!r}: no place {place!r} along the sites{did_you_mean(place, PLACES)}")
    if at and moment not in ("start", "end") and not moment.isdecimal():
        raise InitlabError(f"metric {name!r}: after @ comes 'start', 'end' or a step, got {moment!r}")
    is_relative = place in ("growth", "swing")
    when = {"": "before the first step", "start": "before the first step", "end": "at the end"}
    return Metric(
        name,
        "×" if place == "growth" else "" if is_relative else unit_of(probe),
        f"{probe}, {place} over its sites, {when.get(moment, f'at step {moment}')}",
        _probe(probe, place, moment),
        trained=moment.isdecimal() and int(moment) > 0,
        positive=is_relative or is_positive(probe),
        fixed=moment in ("", "start", "0") and probe not in COUNTS,
    )


def check_probe(metric: Metric, results: Results) -> None:
    """Raise InitlabError where the sweep's runs hold no such probe at all."""
    probe, dot, _ = metric.name.partition(".")
    if not dot:
        return
    rows = next((run.layers for run in results.runs if run.layers), [])
    known = {name for row in rows for name in row} - {"step", "loss"}
    if rows and probe not in known:
        raise InitlabError(f"the runs of {results.name} hold no probe {probe!r}{did_you_mean(probe, known)}")


def final_loss(run: Run) -> float | None:
    """Return the validation loss, else the train loss; a diverged run counts as having learnt nothing."""
    summary = run.summary
    if not summary:
        return None
    start = _start(run)
    if start is None:
        return None
    if summary.get("diverged"):
        return start
    return censored(summary["val_loss"] if summary.get("val_loss") is not None else summary.get("train_loss"), start)


def _start(run: Run) -> float | None:
    """Return the loss at initialisation; where that is not finite itself, a uniform guess's."""
    for name in ("initial_loss", "uniform_loss"):
        if (value := run.summary.get(name)) is not None:
            return float(value)
    return None


def _train_loss(run: Run) -> float | None:
    """As :func:`final_loss`: a diverged run's last batches are no loss."""
    start = _start(run)
    return None if start is None else censored(None if _diverged(run) else run.summary.get("train_loss"), start)


def _summary(name: str) -> Callable[[Run], float | None]:
    """Return a reader; a number that is stored as null was not finite."""

    def read(run: Run) -> float | None:
        if name not in run.summary:
            return None
        value = run.summary[name]
        return math.inf if value is None else float(value)

    return read


def _above(name: str, base: str) -> Callable[[Run], float | None]:
    """Return a reader of how far a loss is above another number of the summary."""

    def read(run: Run) -> float | None:
        loss = final_loss(run) if name == "final_loss" else _summary(name)(run)
        floor = run.summary.get(base)
        return None if loss is None or floor is None else loss - floor

    return read


def _learnt(run: Run) -> float | None:
    start, end = _start(run), final_loss(run)
    return None if start is None or end is None else start - end


def _diverged(run: Run) -> float | None:
    return float(bool(run.summary.get("diverged"))) if run.summary else None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("final_loss", "nats", "loss at the end, diverged runs at their start", final_loss, trained=True),
        Metric(
            "above_floor",
            "nats",
            "final loss above the corpus's own",
            _above("final_loss", "entropy_floor"),
            trained=True,
        ),
        Metric("learnt", "nats", "loss at init above final loss", _learnt, trained=True),
        Metric("train_loss", "nats", "mean over the last batches", _train_loss, trained=True),
        Metric("diverged", "", "1 for a run that diverged, else 0", _diverged, trained=True, rate=True),
        Metric("initial_loss", "nats", "loss before the first step", _summary("initial_loss"), fixed=True),
        Metric(
            "initial_excess",
            "nats",
            "loss at init above a uniform guess",
            _above("initial_loss", "uniform_loss"),
            fixed=True,
        ),
        Metric(
            "growth",
            "×",
            "residual second moment, last block over embedding",
            _summary("growth"),
            positive=True,
            fixed=True,
        ),
    )
}

COUNTS = frozenset({"dead_units"})
"""Probes that count units: their values lie on a grid, before the first step too."""


def on_grid(metric: Metric) -> bool:
    """Return whether a metric's values lie on a grid."""
    return metric.rate or metric.name.partition(".")[0] in COUNTS


PLACES: dict[str, Callable[[list[float]], float]] = {
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
    "growth": lambda values: values[-1] / values[0] if values[0] else math.inf,
    "swing": lambda values: max(values) / min(values) if min(values) > 0 else math.inf,
}
"""Reductions over sites; ``growth`` is last over first, ``swing`` largest over smallest."""


def _probe(probe: str, place: str, moment: str) -> Callable[[Run], float | None]:
    step = int(moment) if moment.isdecimal() else 0

    def read(run: Run) -> float | None:
        rows = [row for row in run.layers if probe in row]
        wanted = rows[-1:] if moment == "end" else [row for row in rows if row["step"] == step]
        return _reduced(wanted[0][probe], place) if wanted else None

    return read


def _reduced(value: Any, place: str) -> float | None:
    """Reduce over sites; what was not finite is stored as null, and makes the result infinite."""
    values = value if isinstance(value, list) else [value]
    if not values:
        return None
    return math.inf if None in values else float(PLACES[place](values))
