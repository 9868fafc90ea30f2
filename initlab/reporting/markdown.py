"""The report as Markdown that GitHub renders; figures are files beside it."""

from collections.abc import Iterable, Sequence

from initlab.reporting.answers import Section
from initlab.reporting.content import Content

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>|#~"})


def render(content: Content) -> str:
    """Return the document. Names, questions and reasons are other people's text: nothing in them is markup."""
    frames = content.frames
    parts = [f"# {escape(frames.results.name)}"]
    if frames.results.question:
        parts.append(f"> {escape(frames.results.question)}")
    parts.append(escape(content.description))
    if content.banner:
        parts.append(f"**{escape(content.banner.text)}**")
    if content.headline:
        parts += ["## What came out", "\n".join(f"- {escape(text)}" for text in content.headline)]
    rows = [[cell.text for cell in row] for row in content.table.rows]
    for section in content.answers.claims:
        parts += _answer(section)
    parts += ["## Cells", table(content.table.headers, rows), escape(content.table_note)]
    if content.not_ok:
        failed = [(run.label, run.status, run.id, run.reason) for run in content.not_ok]
        parts += ["## Runs without a plain result", table(("run", "status", "id", "reason"), failed)]
    if content.drawings:
        parts.append("## Figures")
    for drawing in content.drawings:
        title = escape(drawing.title)
        parts += [f"### {title}", f"![{title}](figures/{drawing.name}.png)", escape(drawing.caption)]
    for section in content.answers.sections:
        parts += _answer(section)
    parts += ["## Settings that all runs share", table(("field", "value"), content.shared)]
    parts += ["## How to reproduce", f"```sh\n{reproduce()}\n```", _provenance(content)]
    if content.versions:
        parts.append(table(("recorded by the first run", ""), content.versions))
    return "\n\n".join(parts) + "\n"


def _answer(section: Section) -> list[str]:
    rows = [table(section.headers, section.rows)] if section.rows else []
    return [f"## {section.title}", *rows, escape(section.note)]


def reproduce() -> str:
    """The command that makes the same runs: the spec lies in the sweep's folder."""
    return "initlab sweep spec.toml"


def escape(text: str) -> str:
    """Return the text with everything that Markdown or HTML would read as markup made plain, on one line."""
    return " ".join(text.split()).replace("&", "&amp;").translate(_SPECIAL)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a GitHub table of plain texts."""
    lines = [headers, ["---"] * len(headers), *rows]
    escaped = [[cell if cell == "---" else escape(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _provenance(content: Content) -> str:
    frames = content.frames
    said = [f"Planned {escape(frames.results.created_at)}." if frames.results.created_at else ""]
    said.append(f"Made by commit {escape(frames.results.git_sha)}." if frames.results.git_sha else "")
    return " ".join(text for text in said if text) or "No commit was recorded."
