"""Writes a report beside the sweep it is about: ``write_report(gather(load_results("results/quickstart")))``.

The same stored runs give the same bytes: nothing in a report says when or where it was made.
"""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from initlab.errors import InitlabError, did_you_mean
from initlab.files.atomic import write_bytes
from initlab.files.json import write_json
from initlab.reporting import markdown, page
from initlab.reporting.content import Content
from initlab.reporting.expected import Expected
from initlab.reporting.table import CellRow
from initlab.verdicts.verdict import document

FORMATS = ("html", "md", "csv", "json")


def write_report(content: Content, *, formats: Collection[str] = FORMATS) -> Path:
    """Write ``report/`` into the sweep's folder and return where its HTML page is, or would be without html.

    Figures are written for html and md. Raises InitlabError for a folder that cannot be written to, or a format
    that does not exist.
    """
    for name in formats:
        if name not in FORMATS:
            raise InitlabError(f"no report format {name!r}{did_you_mean(name, FORMATS)}")
    folder = content.frames.results.path / "report"
    try:
        folder.mkdir(exist_ok=True)
        _write(folder, content, formats)
    except OSError as error:
        raise InitlabError(f"cannot write the report to {folder}: {error.strerror or error}") from error
    return folder / "index.html"


def _write(folder: Path, content: Content, formats: Collection[str]) -> None:
    if "html" in formats or "md" in formats:
        _write_figures(folder / "figures", content)
    if "csv" in formats:
        _replace(folder / "summary.csv", _csv(pd.DataFrame([_flat_row(row) for row in content.rows])))
        _replace(folder / "runs.csv", _csv(content.frames.runs))
    if "json" in formats:
        write_json(folder / "summary.json", summary(content))
        if content.answers.judged.verdicts:
            write_json(folder / "verdicts.json", document(content.answers.judged.verdicts))
    if "md" in formats:
        _replace(folder / "report.md", markdown.render(content).encode())
    if "html" in formats:
        _replace(folder / "index.html", page.render(content).encode())


def _write_figures(folder: Path, content: Content) -> None:
    """Write every figure, and take away those of an earlier report that are no longer drawn."""
    folder.mkdir(exist_ok=True)
    written = set()
    for drawing in content.drawings:
        for name, data in ((f"{drawing.name}.svg", drawing.svg().encode()), (f"{drawing.name}.png", drawing.png())):
            _replace(folder / name, data)
            written.add(name)
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        if old.name not in written:
            old.unlink()


def summary(content: Content) -> dict[str, Any]:
    """Return the report's numbers as one JSON document; its ``schema_version`` is added where it is written."""
    frames, results = content.frames, content.frames.results
    runs = frames.runs.astype(object).where(frames.runs.notna(), None)
    return {
        "sweep": results.name,
        "question": results.question,
        "created_at": results.created_at,
        "git_sha": results.git_sha,
        "counts": {status: number for status, number in results.counts.items() if number},
        "headline": content.headline,
        "claims": [verdict.to_json() for verdict in content.answers.judged.verdicts],
        "cells": [asdict(row) for row in content.rows],
        "runs": runs.to_dict("records"),
        "predictions": [_expectation(row) for row in content.expected],
        "outlooks": list(results.outlooks),
        "not_ok": [asdict(run) for run in content.not_ok],
    }


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


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _replace(path: Path, data: bytes) -> None:
    """Write a file atomically: whoever has the old report open never sees half of the new one."""
    write_bytes(path, data, durable=False)  # a report can be made again
