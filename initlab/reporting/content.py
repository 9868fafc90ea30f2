"""Everything a report says, gathered once, so that HTML and Markdown cannot disagree."""

from dataclasses import dataclass, replace

from initlab.reporting.answers import Answers, answers
from initlab.reporting.canvas import Drawing
from initlab.reporting.expected import Expected, expected, flags, sections
from initlab.reporting.figures import draw_all
from initlab.reporting.table import CellRow, NotOk, TextTable, cell_rows, not_ok, text_table
from initlab.reporting.words import Banner, banner, describe, headline, shared_settings, versions
from initlab.results.frames import SweepFrames, to_frames
from initlab.results.reading import Results

TABLE_NOTE = (
    "The final loss is a mean over finished and diverged runs; ± is the sample standard deviation over seeds. A run "
    "that diverged, or ended above its start, counts with its loss at init, here as in claims and gates: leaving it "
    "out would reward losing the worst seeds. Growth is the residual stream's second moment after the last block "
    "over that after the embedding, before the first step (geometric mean over seeds)."
)


@dataclass(frozen=True)
class Content:
    """The report of one sweep; ``frames.results`` is what all of it is derived from."""

    frames: SweepFrames
    banner: Banner | None
    description: str
    headline: list[str]
    rows: list[CellRow]
    table: TextTable
    table_note: str
    not_ok: list[NotOk]
    answers: Answers
    expected: list[Expected]
    drawings: list[Drawing]
    shared: list[tuple[str, str]]
    versions: list[tuple[str, str]]


def gather(results: Results) -> Content:
    """Return the content of a report; drawing is the part that takes seconds."""
    frames, tables = to_frames(results), answers(results)
    rows, agreement = cell_rows(frames), expected(frames)
    return Content(
        frames=frames,
        banner=banner(results),
        description=describe(frames),
        headline=[*headline(frames, rows), *flags(agreement)],
        rows=rows,
        table=text_table(rows),
        table_note=TABLE_NOTE,
        not_ok=not_ok(results),
        answers=replace(tables, sections=(*sections(results, agreement), *tables.sections)),
        expected=agreement,
        drawings=draw_all(frames),
        shared=shared_settings(results),
        versions=versions(results),
    )
