"""The numbers of a report for programs: one JSON document, and the CSV files."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from initlab.files.escaping import csv_cell
from initlab.files.json import finite
from initlab.reporting.views.cell_table import CellRow
from initlab.reporting.views.expectations import Expected

if TYPE_CHECKING:
    from initlab.reporting.analysis import Analysis


def summary_document(analysis: "Analysis") -> dict[str, Any]:
    """Return the report's numbers as one JSON document; its ``schema_version`` is added where it is written."""
    frames, results = analysis.frames, analysis.results
    runs = frames.runs.astype(object).where(frames.runs.notna(), None)
    return {
        "sweep": results.name,
        "question": results.question,
        "created_at": results.created_at,
        "git_sha": results.git_sha,
        "counts": {status: number for status, number in results.counts.items() if number},
        "headline": analysis.headline,
        "claims": [verdict.to_json() for verdict in analysis.tables.judged.verdicts],
        "sensitivities": [finite(asdict(row)) for row in analysis.tables.rates],
        "scalings": [finite(asdict(row)) for row in analysis.tables.scales],
        "cells": [asdict(row) for row in analysis.rows],
        "runs": runs.to_dict("records"),
        "predictions": [_expectation(row) for row in analysis.expected],
        "outlooks": list(results.outlooks),
        "not_ok": [asdict(run) for run in analysis.not_ok],
    }


def csv_texts(analysis: "Analysis") -> dict[str, str]:
    """Return the CSV files by name: a row a cell, and a row a run."""
    frames = {
        "summary.csv": pd.DataFrame([_flat_row(row) for row in analysis.rows]),
        "runs.csv": analysis.frames.runs,
    }
    return {name: _csv(frame) for name, frame in frames.items()}


def _csv(frame: pd.DataFrame) -> str:
    """Return a table as text in which nothing is a formula; a column of numbers alone is one as it is."""
    texts = [name for name in frame.columns if frame[name].dtype == object or frame[name].dtype == "string"]
    safe = frame.assign(**{name: frame[name].map(csv_cell) for name in texts}).rename(columns=csv_cell)
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _expectation(row: Expected) -> dict[str, Any]:
    """One cell's agreement with theory, the laws beside it."""
    return {
        "cell": row.cell.label,
        "growth": {"predicted": row.predicted["growth"], "measured": row.growth},
        "growth_law": {"predicted": row.predicted["growth_law"], "measured": row.law and asdict(row.law)},
        "verdict": row.verdict,
        "flagged": row.flagged,
        **asdict(row.fit),
    }


def _flat_row(row: CellRow) -> dict[str, Any]:
    """A cell as one line of numbers: axes by dotted name, seeds left to runs.csv."""
    fields = asdict(row)
    axes, interval = fields.pop("axes"), row.final_loss_interval
    del fields["final_loss_by_seed"], fields["final_loss_interval"]
    low, high = (None, None) if interval is None else interval
    return {**fields, "final_loss_ci_low": low, "final_loss_ci_high": high, **axes}
