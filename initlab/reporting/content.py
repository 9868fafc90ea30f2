"""Everything a report says, gathered once, so that HTML and Markdown cannot disagree."""

from dataclasses import dataclass, replace

from initlab.reporting.answers import Answers
from initlab.reporting.canvas import Drawing
from initlab.reporting.expected import Expected, expected, flags, sections
from initlab.reporting.figures import draw_all
from initlab.reporting.frames import SweepFrames
from initlab.reporting.table import CellRow, NotOk, TextTable, cell_rows, not_ok, text_table
from initlab.reporting.words import Banner, banner, describe, headline, shared_settings, versions

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
