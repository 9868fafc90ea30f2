"""What came out, one row a cell: the rows that Markdown, HTML, CSV and the terminal all show.

A final loss is the metric of that name: a mean is over every run that ended with a result, and a run that diverged
is in it with its loss at init, and counted beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from initlab.results.cells import Cell, Run
from initlab.results.frames import SweepFrames
from initlab.results.labels import short
from initlab.results.reading import Results
from initlab.stats.compare import mean_interval
from initlab.stats.summaries import Interval, geometric_mean, mean, standard_deviation
from initlab.store.run_state import UNSOUND, Status

NOTHING = "–"


@dataclass(frozen=True)
class CellRow:
    """One cell. Losses are nats per token; a number is None where nothing was measured.

    ``final_loss`` is the mean over finished and diverged runs, ``final_loss_sd`` their sample standard deviation,
    ``final_loss_interval`` Student's 95% interval of the mean and ``final_loss_by_seed`` the runs themselves;
    ``loss_split`` says on what the finished ones were evaluated: validation, train, or mixed. ``growth`` is the
    geometric mean, over every run that reached step 0, of the residual second moment after the last block over that
    after the embedding.
    """

    index: int
    label: str
    init: str
    activation: str
    axes: dict[str, Any]
    trained: bool
    planned: int
    finished: int
    diverged: int
    final_loss: float | None
    final_loss_sd: float | None
    final_loss_interval: Interval | None
    final_loss_by_seed: dict[int, float]
    loss_split: str | None
    above_floor: float | None
    initial_loss: float | None
    growth: float | None
    network: str
    note: str


@dataclass(frozen=True)
class NotOk:
    """A run without a plain result: diverged, failed, interrupted, running or missing."""

    id: str
    label: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Shown:
    """What a table shows in one place, and what it sorts by (None sorts last)."""

    text: str
    value: float | str | None


@dataclass(frozen=True)
class TextTable:
    headers: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]


def cell_rows(frames: SweepFrames) -> list[CellRow]:
    """Return one row a cell, in the order of the plan."""
    groups = dict(list(frames.runs.groupby("cell_index"))) if len(frames.runs) else {}
    return [_cell_row(cell, groups[cell.index]) for cell in frames.results.cells if cell.index in groups]


def not_ok(results: Results) -> list[NotOk]:
    """Return every run that did not finish, worst first."""
    order: tuple[Status, ...] = (*UNSOUND, "failed", "diverged", "interrupted", "missing", "running")
    runs = [NotOk(run.id, run.label, run.status, _reason(run)) for run in results.runs if run.status != "finished"]
    return sorted(runs, key=lambda run: order.index(run.status))


def text_table(rows: list[CellRow]) -> TextTable:
    """Return the rows as text; a column that would say the same nothing in every row is left out."""
    columns = [column for column in _columns(rows) if column[2]]
    return TextTable(
        headers=tuple(header for header, _, _ in columns),
        rows=tuple(tuple(entry(row) for _, entry, _ in columns) for row in rows),
    )


def number(value: float | None, form: str = ".3f") -> str:
    """Return the value as text, a dash for None; a true minus sign, because tables align on it, and none of 0."""
    if value is None:
        return NOTHING
    text = format(value, form)
    if text.strip("-0.%"):
        return text.replace("-", "−")
    return text.replace("-", "+" if "+" in form else "")


def factor(value: float | None) -> str:
    """Return a growth factor as text: three digits, powers of ten only where it has run away."""
    if value is not None and 1000 <= value < 1e6:
        return number(value, ".0f")
    return number(value, ".3g")


def _columns(rows: list[CellRow]) -> list[tuple[str, Callable[[CellRow], Shown], bool]]:
    """Header, entry and whether the column is worth showing."""
    trained = any(row.trained for row in rows)
    spread = any(row.final_loss_sd is not None for row in rows)
    axes = list(dict.fromkeys(name for row in rows for name in row.axes))
    return [
        ("init", lambda row: Shown(row.init, row.init), True),
        ("activation", lambda row: Shown(row.activation, row.activation), True),
        *[(short(name), _axis(name), True) for name in axes],
        ("finished", lambda row: Shown(f"{row.finished} of {row.planned}", row.finished), True),
        ("final loss (nats/token)" + (", mean ± sd" if spread else ""), _final_loss, trained),
        (
            "above floor (nats)",
            lambda row: Shown(number(row.above_floor), row.above_floor),
            any(row.above_floor is not None for row in rows),
        ),
        ("loss at init (nats/token)", lambda row: Shown(number(row.initial_loss), row.initial_loss), True),
        ("growth at init (×)", lambda row: Shown(factor(row.growth), row.growth), True),
        ("diverged", _diverged, trained),
        ("network", lambda row: Shown(row.network or "GPT-2", row.network), any(row.network for row in rows)),
        ("note", lambda row: Shown(row.note, row.note or None), any(row.note for row in rows)),
    ]


def _axis(name: str) -> Callable[[CellRow], Shown]:
    def entry(row: CellRow) -> Shown:
        value = row.axes.get(name)
        sortable = float(value) if isinstance(value, int | float) else value
        return Shown(NOTHING if value is None else str(value), None if value is None else sortable)

    return entry


def _final_loss(row: CellRow) -> Shown:
    text = number(row.final_loss)
    if row.final_loss_sd is not None:
        text += f" ± {number(row.final_loss_sd)}"
    return Shown(text, row.final_loss)


def _diverged(row: CellRow) -> Shown:
    return Shown(f"{row.diverged} of {row.planned}", row.diverged) if row.trained else Shown(NOTHING, None)


def _cell_row(cell: Cell, runs: pd.DataFrame) -> CellRow:
    ended = runs[runs["final_loss"].notna()]
    by_seed = dict(zip(ended["seed"].tolist(), ended["final_loss"].tolist(), strict=True))
    losses = list(by_seed.values())
    final, status = mean(losses), runs["status"]
    split = _split(runs)
    return CellRow(
        index=cell.index,
        label=cell.label,
        init=cell.init,
        activation=cell.activation,
        axes=dict(cell.axes),
        trained=cell.trained,
        planned=len(runs),
        finished=int((status == "finished").sum()),
        diverged=int((status == "diverged").sum()),
        final_loss=final,
        final_loss_sd=standard_deviation(losses),
        final_loss_interval=mean_interval(losses),
        final_loss_by_seed=by_seed,
        loss_split=split,
        above_floor=mean(_known(runs["above_floor"])),
        initial_loss=mean(_known(runs["initial_loss"])),
        growth=geometric_mean([value for value in _known(runs["growth"]) if value >= 0]),
        network=cell.network,
        note=_note(cell, status, split),
    )


def _split(runs: pd.DataFrame) -> str | None:
    """Return on which text the final losses of finished runs were measured."""
    finished = runs[(runs["status"] == "finished") & runs["final_loss"].notna()]
    if finished.empty:
        return None
    evaluated = finished["val_loss"].notna()
    return "validation" if evaluated.all() else "mixed" if evaluated.any() else "train"


def _note(cell: Cell, status: "pd.Series[str]", split: str | None) -> str:
    counts = status.value_counts()
    notes = [
        f"{counts[name]} {name}"
        for name in ("damaged", "unreadable", "failed", "interrupted", "missing", "running")
        if name in counts
    ]
    if not cell.trained:
        notes.insert(0, "init only")
    if split in ("train", "mixed"):
        notes.append("train loss" if split == "train" else "some validation, some train loss")
    return ", ".join(notes)


def _reason(run: Run) -> str:
    if run.state.reason:
        return run.state.reason
    if run.status == "diverged" and (step := run.summary.get("diverged_at")) is not None:
        return f"diverged at step {step}"
    return {"missing": "never started", "running": "still training"}.get(run.status, "no reason was recorded")


def _known(column: "pd.Series[float]") -> list[float]:
    return [float(value) for value in column if not pd.isna(value)]
