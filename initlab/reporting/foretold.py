"""Predictions that a sweep stored, by cell and as one tidy frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from initlab.predictions.inputs import BRANCH_CURVES, NUMBERS, SITE_CURVES
from initlab.predictions.records import read_prediction
from initlab.reporting.layers import sites

if TYPE_CHECKING:
    from initlab.reporting.frames import PlannedCell

COLUMNS = ("cell", "cell_index", "probe", "site", "layer", "value", "band")


def stored_predictions(folder: Path, document: Mapping[str, Any], cells: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return each cell's stored prediction; ``cells`` are the cells' numbers of the runs in sweep.json's order."""
    named: dict[str, str] = document.get("predictions", {})
    keys = {cell: named.get(run["id"]) for cell, run in zip(cells, document.get("runs", []), strict=True)}
    files = {key: read_prediction(folder, key) for key in set(keys.values()) if key is not None}
    found = {cell: files[key] for cell, key in sorted(keys.items()) if key is not None}
    return {cell: one for cell, one in found.items() if one is not None}


def prediction_frame(cells: Sequence["PlannedCell"], predicted: Mapping[int, dict[str, Any]]) -> pd.DataFrame:
    """Return one row a predicted number; the columns are in ``COLUMNS``."""
    rows: list[tuple[Any, ...]] = []
    for index, one in predicted.items():
        if "reason" in one:
            continue
        cell, curves = cells[index], {**one["sites"], **{name: one[name] for name in (*BRANCH_CURVES, *NUMBERS)}}
        for probe in (*SITE_CURVES, *BRANCH_CURVES, *NUMBERS):
            if curves[probe] is None:
                continue
            values = curves[probe] if isinstance(curves[probe], list) else [curves[probe]]
            at = sites(len(values), cell.n_layer, at_attention=probe == "attn_ms")
            rows += [
                (cell.label, index, probe, int(site), site / 2, value, band)
                for site, value, band in zip(at, values, one["bands"][probe], strict=True)
            ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"cell_index": int, "site": int, "layer": float, "value": float, "band": float})
