"""A stored sweep as tidy data frames.

``load(path)`` reads what is there and invents nothing: a run that is missing, failed or still training has a row in
``runs`` that says so, and as many rows in ``curves`` and ``layers`` as its files hold.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from initlab.files.json import canonical_json, read_json
from initlab.predictions.scale_up import Outlook
from initlab.reporting.foretold import prediction_frame, stored_predictions
from initlab.reporting.layers import LayerRows
from initlab.results.folder import Entry, SweepFolder
from initlab.results.run import RunDirectory, RunState

_CURVES = ("train_loss", "val_loss", "lr", "grad_norm")
_SUMMARY = ("train_loss", "val_loss", "initial_loss", "uniform_loss", "entropy_rate", "entropy_floor", "growth")


@dataclass(frozen=True)
class PlannedCell:
    """All runs that differ by seed alone, as it was planned.

    ``label`` is unique in its sweep. ``varying`` holds the fields in which the sweep's cells differ, other than init
    and activation; ``fields`` holds every field, by dotted name (``model.n_layer``); ``network`` says how the network
    that init and fields make differs from GPT-2's.
    """

    index: int
    label: str
    init: str
    activation: str
    varying: dict[str, Any]
    fields: dict[str, Any]
    network: str = ""

    @property
    def n_layer(self) -> int:
        return int(self.fields["model.n_layer"])

    @property
    def steps(self) -> int:
        """Optimizer steps; 0 where the cell is probed at init only."""
        return int(self.fields.get("train.steps", 0))


@dataclass(frozen=True)
class SweepFrames:
    """One sweep. Losses are nats per token, times seconds; NaN stands for what was not measured or not finite.

    - ``runs``: one row a planned run: id, cell, cell_index, init, activation, seed, every field by dotted name,
      status, reason, wall_seconds, train_loss, val_loss, initial_loss, uniform_loss, entropy_rate, entropy_floor,
      growth (residual second moment after the last block over that after the embedding, at step 0), final_loss
      (val_loss where it was evaluated, else train_loss; NaN where the run has not ended or was not trained),
      diverged_at.
    - ``curves``: one row a logged step: id, cell, cell_index, seed, step, train_loss, val_loss, lr, grad_norm.
    - ``layers``: one row a probed number: id, cell, cell_index, seed, step, probe, site, layer, value. Sites count
      0..2·n_layer along the residual stream (0 after the embedding, 2b after block b); layer is site / 2.
    - ``predictions``: what theory expected before step 0, one row a number: cell, cell_index, probe, site, layer,
      value, band (standard deviation of one draw seen through one batch). Probes are named as in ``layers``, and
      grad_ms is grad_rms²; initial_loss is in nats. Cells without a prediction have no rows.

    ``predicted`` has the whole document of a cell's prediction by cell_index, or one whose ``reason`` says why there
    is none; ``outlooks`` what each init would do at the sizes that the sweep is a proxy for.
    """

    name: str
    question: str | None
    created_at: str | None
    git_sha: str | None
    spec_text: str | None
    env: dict[str, Any]
    cells: tuple[PlannedCell, ...]
    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame
    predictions: pd.DataFrame
    predicted: Mapping[int, dict[str, Any]]
    outlooks: tuple[Outlook, ...]

    @property
    def inits(self) -> list[str]:
        """The inits in the order the spec names them."""
        return list(dict.fromkeys(cell.init for cell in self.cells))

    @property
    def activations(self) -> list[str]:
        return list(dict.fromkeys(cell.activation for cell in self.cells))


def load(path: Path | str) -> SweepFrames:
    """Return the sweep stored in the folder ``path``; raises InitlabError where there is none."""
    folder = SweepFolder.open(Path(path))
    document, entries = folder.document(), folder.entries()
    cells = _planned_cells(document)
    numbers = [int(run["cell"]) for run in document.get("runs", [])]
    rows, curves, layers = [], _CurveRows(), LayerRows(document.get("plugin_probes", {}))
    for row, entry in enumerate(entries):
        cell, run = cells[numbers[row]], folder.run(entry.id)
        rows.append(_run_row(cell, entry, run))
        curves.add(row, run.metrics())
        layers.add(row, cell.n_layer, run.layers())
    runs = _runs_frame(rows)
    layer_frame = _with_runs(layers.frame(), runs)
    predicted = stored_predictions(folder.path, document, numbers)
    _fill_growth(runs, layer_frame)
    return SweepFrames(
        name=str(document.get("name") or folder.path.resolve().name),
        question=document.get("question"),
        created_at=document.get("created_at"),
        git_sha=document.get("git_sha"),
        spec_text=_text(folder.path / "spec.toml"),
        env=_first_env(folder.run(entry.id) for entry in entries),
        cells=cells,
        runs=runs,
        curves=_with_runs(curves.frame(), runs),
        layers=layer_frame,
        predictions=prediction_frame(cells, predicted),
        predicted=predicted,
        outlooks=tuple(Outlook.of(look) for look in document.get("outlooks", [])),
    )


class _CurveRows:
    """Columns of the curves, filled run by run: a thousand small frames would cost more than their data."""

    def __init__(self) -> None:
        self._run: list[int] = []
        self._step: list[int] = []
        self._values: dict[str, list[float | None]] = {name: [] for name in _CURVES}

    def add(self, run: int, rows: list[dict[str, Any]]) -> None:
        self._run.extend([run] * len(rows))
        self._step.extend(row["step"] for row in rows)
        for name, values in self._values.items():
            values.extend(row.get(name) for row in rows)

    def frame(self) -> pd.DataFrame:
        values = {name: np.array(column, dtype=float) for name, column in self._values.items()}
        return pd.DataFrame({"run": np.array(self._run, int), "step": np.array(self._step, int), **values})


def _run_row(cell: PlannedCell, entry: Entry, run: RunDirectory) -> dict[str, Any]:
    state: RunState = run.state()
    summary = run.summary() or {}
    numbers = {name: summary.get(name) for name in _SUMMARY}
    return {
        "id": entry.id,
        "cell": cell.label,
        "cell_index": cell.index,
        "init": cell.init,
        "activation": cell.activation,
        "seed": entry.seed,
        **cell.fields,
        "status": state.status,
        "reason": state.reason,
        "wall_seconds": state.wall_seconds,
        **numbers,
        "final_loss": _final_loss(cell, state, numbers),
        "diverged_at": summary.get("diverged_at"),
    }


def _final_loss(cell: PlannedCell, state: RunState, numbers: dict[str, Any]) -> float | None:
    """What the run ended at: nothing for one that was not trained, has not ended, or blew up."""
    if state.status != "finished" or cell.steps == 0:
        return None
    loss = numbers["val_loss"] if numbers["val_loss"] is not None else numbers["train_loss"]
    return None if loss is None else float(loss)


def _runs_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    measured = [*_SUMMARY, "wall_seconds", "final_loss", "diverged_at"]
    named = ["id", "cell", "cell_index", "init", "activation", "seed", "status", "reason"]
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*named, *measured])
    return frame.astype(dict.fromkeys(measured, float))


def _with_runs(frame: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Replace the column ``run``, a row number of ``runs``, by what names the run; text as categories, for size."""
    of = frame.pop("run").to_numpy()
    for place, name in enumerate(("id", "cell", "cell_index", "seed")):
        column = runs[name].astype("category") if name in ("id", "cell") else runs[name]
        frame.insert(place, name, column.iloc[of].reset_index(drop=True))
    return frame


def _fill_growth(runs: pd.DataFrame, layers: pd.DataFrame) -> None:
    """Growth is known from step 0 on: a run that has not ended, or failed later, has it in its layers."""
    start = layers[(layers["step"] == 0) & (layers["probe"] == "residual_ms")]
    if start.empty:
        return
    ends = start.sort_values("site").groupby("id", observed=True)["value"].agg(["first", "last"])
    found = (ends["last"] / ends["first"].where(ends["first"] > 0)).to_dict()
    runs["growth"] = runs["growth"].fillna(runs["id"].map(found).astype(float))


def _planned_cells(document: dict[str, Any]) -> tuple[PlannedCell, ...]:
    cells: list[dict[str, Any]] = document.get("cells", [])
    every = [_all_fields(cell) for cell in cells]
    varying = _varying(every)
    labels = _unique_labels(cells, every, varying)
    return tuple(
        PlannedCell(
            index=index,
            label=labels[index],
            init=str(cell["init"]),
            activation=str(cell["activation"]),
            varying={name: every[index].get(name) for name in varying},
            fields=every[index],
            network=str(cell.get("network", "")),
        )
        for index, cell in enumerate(cells)
    )


def _all_fields(cell: dict[str, Any]) -> dict[str, Any]:
    """Every field by dotted name, and the axes that are no field of the three tables."""
    flat = {f"{table}.{name}": value for table, fields in cell["fields"].items() for name, value in fields.items()}
    known = set(flat) | {name.rsplit(".", 1)[-1] for name in flat}
    return {**{name: value for name, value in cell["axes"].items() if name not in known}, **flat}


def _varying(every: list[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for fields in every for name in fields)
    return [name for name in names if len({canonical_json(fields.get(name)) for fields in every}) > 1]


def _unique_labels(cells: list[dict[str, Any]], every: list[dict[str, Any]], varying: list[str]) -> list[str]:
    """Cells of two blocks of a spec may have equal axes and differ in a field that a block sets: then say that."""
    plain = [cell_label(cell["init"], cell["activation"], cell["axes"]) for cell in cells]
    seen = Counter(plain)
    full = [
        label
        if seen[label] == 1
        else cell_label(cell["init"], cell["activation"], {name: fields.get(name) for name in varying})
        for label, cell, fields in zip(plain, cells, every, strict=True)
    ]
    again = Counter(full)
    return [label if again[label] == 1 else f"{label} (cell {index})" for index, label in enumerate(full)]


def cell_label(init: str, activation: str, varying: dict[str, Any]) -> str:
    """Return ``gpt2 · gelu · n_layer=4``."""
    return " · ".join([init, activation, *(f"{short(name)}={value}" for name, value in varying.items())])


def short(name: str) -> str:
    """Return a field's own name: ``n_layer`` of ``model.n_layer``."""
    return name.rsplit(".", 1)[-1]


def _first_env(runs: Iterable[RunDirectory]) -> dict[str, Any]:
    for run in runs:
        env = read_json(run.path / "env.json")
        if env:
            return {name: value for name, value in env.items() if name != "schema_version"}
    return {}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
