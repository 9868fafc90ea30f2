"""A sweep's results as tidy data frames: ``to_frames(load_results("results/quickstart")).layers``.

What is there and nothing else: a run that is missing, failed or still training has a row in ``runs`` that says so,
and as many rows in ``curves`` and ``layers`` as its files hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from initlab.probes.reductions import quantities
from initlab.results.cells import Cell, Run
from initlab.results.metrics import METRICS
from initlab.results.reading import Results
from initlab.results.sites import LayerRows, site_array

_CURVES = ("train_loss", "val_loss", "lr", "grad_norm")
_SUMMARY = ("train_loss", "val_loss", "initial_loss", "uniform_loss", "entropy_rate", "entropy_floor", "growth")
_TRAINED = ("final_loss", "above_floor")
_PREDICTED = ("cell", "cell_index", "probe", "site", "layer", "value", "band")


@dataclass(frozen=True)
class SweepFrames:
    """One sweep. Losses are nats per token, times seconds; NaN stands for what was not measured or not finite.

    - ``runs``: one row a planned run: id, cell, cell_index, init, activation, seed, every field by dotted name,
      status, reason, wall_seconds, train_loss, val_loss, initial_loss, uniform_loss, entropy_rate, entropy_floor,
      growth (residual second moment after the last block over that after the embedding, at step 0), final_loss and
      above_floor (the metrics of these names; NaN where the run has not ended or was not trained), diverged_at.
      Losses other than final_loss are as stored: NaN where they were not finite.
    - ``curves``: one row a logged step: id, cell, cell_index, seed, step, train_loss, val_loss, lr, grad_norm.
    - ``layers``: one row a probed number: id, cell, cell_index, seed, step, probe, site, layer, value. Sites count
      0..2·n_layer along the residual stream (0 after the embedding, 2b after block b); layer is site / 2.
    - ``predictions``: what theory expected before step 0, one row a number: cell, cell_index, probe, site, layer,
      value, band (standard deviation of one draw seen through one batch). Probes are named as in ``layers``, and
      grad_ms is grad_rms²; initial_loss is in nats. Cells without a prediction have no rows.
    """

    results: Results
    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame
    predictions: pd.DataFrame


def to_frames(results: Results) -> SweepFrames:
    """Return the tidy frames of a sweep; reads metrics and layers of every run."""
    rows, curves, layers = [], _CurveRows(), LayerRows(results.plugin_probes)
    for number, run in enumerate(results.runs):
        cell = results.cells[run.cell_index]
        rows.append(_run_row(cell, run))
        curves.add(number, run.metrics)
        layers.add(number, cell.n_layer, run.layers)
    runs = _runs_frame(rows)
    layer_frame = _with_runs(layers.frame(), runs)
    _fill_growth(runs, layer_frame)
    return SweepFrames(
        results=results,
        runs=runs,
        curves=_with_runs(curves.frame(), runs),
        layers=layer_frame,
        predictions=_prediction_frame(results.cells, results.predictions),
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


def _run_row(cell: Cell, run: Run) -> dict[str, Any]:
    summary = run.summary
    return {
        "id": run.id,
        "cell": cell.label,
        "cell_index": cell.index,
        "init": cell.init,
        "activation": cell.activation,
        "seed": run.seed,
        **cell.fields,
        "status": run.status,
        "reason": run.state.reason,
        "wall_seconds": run.state.wall_seconds,
        **{name: summary.get(name) for name in _SUMMARY},
        **{name: METRICS[name].read(run) if cell.trained else None for name in _TRAINED},
        "diverged_at": summary.get("diverged_at"),
    }


def _runs_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    measured = [*_SUMMARY, *_TRAINED, "wall_seconds", "diverged_at"]
    named = ["id", "cell", "cell_index", "init", "activation", "seed", "status", "reason"]
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*named, *measured])
    return frame.astype(dict.fromkeys(measured, float))


def _with_runs(frame: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Replace the column ``run``, a row number of ``runs``, by what names the run; text as categories, for size."""
    rows = frame.pop("run").to_numpy()
    for place, name in enumerate(("id", "cell", "cell_index", "seed")):
        column = runs[name].astype("category") if name in ("id", "cell") else runs[name]
        frame.insert(place, name, column.iloc[rows].reset_index(drop=True))
    return frame


def _fill_growth(runs: pd.DataFrame, layers: pd.DataFrame) -> None:
    """Growth is known from step 0 on: a run that has not ended, or failed later, has it in its layers."""
    start = layers[(layers["step"] == 0) & (layers["probe"] == "residual_ms")]
    if start.empty:
        return
    ends = start.sort_values("site").groupby("id", observed=True)["value"].agg(["first", "last"])
    growth = (ends["last"] / ends["first"].where(ends["first"] > 0)).to_dict()
    runs["growth"] = runs["growth"].fillna(runs["id"].map(growth).astype(float))


def _prediction_frame(cells: Sequence[Cell], predictions: Mapping[int, dict[str, Any]]) -> pd.DataFrame:
    """Return one row a predicted number that has a band."""
    rows: list[tuple[Any, ...]] = []
    layouts = {name: quantity.layout for name, quantity in quantities().items()}
    for index, document in predictions.items():
        cell = cells[index]
        for probe, bands in document.get("bands", {}).items():
            curve = document["sites"].get(probe, document.get(probe))
            if curve is None:
                continue
            values = curve if isinstance(curve, list) else [curve]
            layout = layouts.get(probe, "stream" if probe in document["sites"] else "end")
            at = site_array(layout, cell.n_layer, len(values))
            rows += [
                (cell.label, index, probe, int(site), site / 2, value, band)
                for site, value, band in zip(at, values, bands, strict=True)
            ]
    frame = pd.DataFrame(rows, columns=list(_PREDICTED))
    return frame.astype({"cell_index": int, "site": int, "layer": float, "value": float, "band": float})
