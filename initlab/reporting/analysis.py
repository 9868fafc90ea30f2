"""Everything that results say, worked out once: what terminal, report, Markdown, CSV and JSON all show.

``analyse(load_results("results/quickstart"))`` reads every run's files; whoever renders it reads none.
"""

from dataclasses import dataclass, replace
from typing import Any

from initlab.reporting.views.cell_table import CellRow, NotOk, TextTable, cell_rows, not_ok, text_table
from initlab.reporting.views.downloads import csv_texts, summary_document
from initlab.reporting.views.expectations import Expected, expected, flags, sections
from initlab.reporting.views.figure import FigureView
from initlab.reporting.views.gallery import all_figures
from initlab.reporting.views.narrative import Banner, banner, describe, headline, shared_settings, versions
from initlab.reporting.views.tables import AnalysisTables, analysis_tables
from initlab.results.frames import SweepFrames
from initlab.results.reading import Results

TABLE_NOTE = (
    "The final loss is a mean over finished and diverged runs; ± is the sample standard deviation over seeds. A run "
    "that diverged, or ended above its start, counts with its loss at init, here as in claims and gates: leaving it "
    "out would reward losing the worst seeds. Growth is the residual stream's second moment after the last block "
    "over that after the embedding, before the first step (geometric mean over seeds)."
)


@dataclass(frozen=True)
class Analysis:
    """The fourth of the five values. ``rows`` are the cells, ``flags`` those that disagree with theory, ``tables``
    claims, pairs and axes, ``figures`` the views that a renderer draws."""

    frames: SweepFrames
    banner: Banner | None
    description: str
    headline: list[str]
    flags: list[str]
    rows: list[CellRow]
    table: TextTable
    table_note: str
    not_ok: list[NotOk]
    tables: AnalysisTables
    expected: list[Expected]
    figures: list[FigureView]
    shared: list[tuple[str, str]]
    versions: list[tuple[str, str]]

    @property
    def results(self) -> Results:
        return self.frames.results

    def document(self) -> dict[str, Any]:
        """Return the numbers as one JSON document."""
        return summary_document(self)

    def csv_texts(self) -> dict[str, str]:
        """Return the CSV files by name."""
        return csv_texts(self)


def analyse(results: Results) -> Analysis:
    """Return what results say; nothing is drawn yet."""
    frames, tables = results.frames, analysis_tables(results)
    rows, agreement = cell_rows(frames), expected(frames)
    flagged = flags(agreement)
    return Analysis(
        frames=frames,
        banner=banner(results),
        description=describe(frames),
        headline=[*headline(frames, rows), *flagged],
        flags=flagged,
        rows=rows,
        table=text_table(rows),
        table_note=TABLE_NOTE,
        not_ok=not_ok(results),
        tables=replace(tables, sections=(*sections(results, agreement), *tables.sections)),
        expected=agreement,
        figures=all_figures(frames),
        shared=shared_settings(results),
        versions=versions(results),
    )
