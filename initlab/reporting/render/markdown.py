"""The report as Markdown that GitHub renders; figures are files beside it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from initlab.files.escaping import markdown

if TYPE_CHECKING:
    from initlab.reporting.analysis import Analysis
    from initlab.reporting.views.tables import TableSection


def render(analysis: "Analysis") -> str:
    """Return the document. Names, questions and reasons are other people's text: nothing in them is markup."""
    results = analysis.results
    parts = [f"# {markdown(results.name)}"]
    if results.question:
        parts.append(f"> {markdown(results.question)}")
    parts.append(markdown(analysis.description))
    if analysis.banner:
        parts.append(f"**{markdown(analysis.banner.text)}**")
    if analysis.headline:
        parts += ["## What came out", "\n".join(f"- {markdown(text)}" for text in analysis.headline)]
    rows = [[cell.text for cell in row] for row in analysis.table.rows]
    for section in analysis.tables.claims:
        parts += _section(section)
    parts += ["## Cells", table(analysis.table.headers, rows), markdown(analysis.table_note)]
    if analysis.not_ok:
        failed = [(run.label, run.status, run.id, run.reason) for run in analysis.not_ok]
        parts += ["## Runs without a plain result", table(("run", "status", "id", "reason"), failed)]
    if analysis.figures:
        parts.append("## Figures")
    for figure in analysis.figures:
        title = markdown(figure.title)
        parts += [f"### {title}", f"![{title}](figures/{figure.name}.png)", markdown(figure.caption)]
    for section in analysis.tables.sections:
        parts += _section(section)
    parts += ["## Settings that all runs share", table(("field", "value"), analysis.shared)]
    parts += ["## How to reproduce", f"```sh\n{reproduce()}\n```", _provenance(analysis)]
    if analysis.versions:
        parts.append(table(("recorded by the first run", ""), analysis.versions))
    return "\n\n".join(parts) + "\n"


def _section(section: "TableSection") -> list[str]:
    rows = [table(section.headers, section.rows)] if section.rows else []
    return [f"## {markdown(section.title)}", *rows, markdown(section.note)]


def reproduce() -> str:
    """The command that makes the same runs: the spec lies in the sweep's folder."""
    return "initlab sweep spec.toml"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a GitHub table of plain texts."""
    lines = [headers, ["---"] * len(headers), *rows]
    escaped = [[cell if cell == "---" else markdown(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _provenance(analysis: "Analysis") -> str:
    results = analysis.results
    planned = f"Planned {markdown(results.created_at)}." if results.created_at else ""
    commit = f"Made by commit {markdown(results.git_sha)}." if results.git_sha else ""
    return " ".join(filter(None, (planned, commit))) or "No commit was recorded."
