"""Everything a report says, gathered once, so that HTML and Markdown cannot disagree."""

from dataclasses import dataclass, replace

from initlab.report.answers import Answers
from initlab.report.canvas import Drawing
from initlab.report.expected import Expected, expected, flags, sections
from initlab.report.figures import draw_all
from initlab.report.frames import SweepFrames
from initlab.report.table import CellRow, NotOk, TextTable, cell_rows, not_ok, text_table
from initlab.report.words import Banner, banner, describe, headline, shared_settings, versions

TABLE_NOTE = (
    "Means are over finished runs; ± is the sample standard deviation over seeds. Growth is the residual stream's "
    "second moment after the last block over that after the embedding, before the first step (geometric mean over "
    "seeds). Diverged runs are counted and are in no mean."
)


NO_ANSWERS = Answers()


@dataclass(frozen=True)
class Content:
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


def gather(frames: SweepFrames, found: Answers = NO_ANSWERS) -> Content:
    """Return the content of a report; drawing is the part that takes seconds."""
    rows, agreement = cell_rows(frames), expected(frames)
    return Content(
        frames=frames,
        banner=banner(frames),
        description=describe(frames),
        headline=[*headline(frames, rows), *flags(agreement)],
        rows=rows,
        table=text_table(rows),
        table_note=TABLE_NOTE,
        not_ok=not_ok(frames),
        answers=replace(found, sections=(*sections(frames, agreement), *found.sections)),
        expected=agreement,
        drawings=draw_all(frames),
        shared=shared_settings(frames),
        versions=versions(frames),
    )
