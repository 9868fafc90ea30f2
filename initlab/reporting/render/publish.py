"""Writes a report beside the sweep it is about: ``write_report(analyse(load_results("results/quickstart")))``.

The same stored runs give the same bytes: nothing in a report says when or where it was made.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from initlab.errors import InitlabError
from initlab.files.atomic import write_bytes
from initlab.files.below import make_folder
from initlab.files.json import write_json
from initlab.files.system_errors import explain_os_error
from initlab.reporting.formats import FORMATS, check_formats
from initlab.reporting.render import markdown, page
from initlab.reporting.render.drawing import Drawing, draw
from initlab.verdicts.verdict import document

if TYPE_CHECKING:
    from initlab.reporting.analysis import Analysis


def write_report(analysis: "Analysis", *, formats: Collection[str] = FORMATS) -> Path:
    """Write ``report/`` into the sweep's folder and return where its HTML page is, or would be without html.

    Figures are written for html and md. Raises InitlabError for a folder that cannot be written to, or a format
    that does not exist.
    """
    check_formats(formats)
    folder = analysis.results.path / "report"
    try:
        make_folder(folder.parent, folder.name)
        _write(folder, analysis, formats)
    except OSError as error:
        raise InitlabError(f"cannot write the report to {folder}: {explain_os_error(error)}") from error
    return folder / "index.html"


def _write(folder: Path, analysis: "Analysis", formats: Collection[str]) -> None:
    drawings: list[Drawing] = []
    if "html" in formats or "md" in formats:
        drawings = [draw(view) for view in analysis.figures]
        _write_figures(folder / "figures", drawings)
    if "csv" in formats:
        for name, text in analysis.csv_texts().items():
            _replace(folder / name, text.encode())
    if "json" in formats:
        write_json(folder / "summary.json", analysis.document())
        if analysis.tables.judged.verdicts:
            write_json(folder / "verdicts.json", document(analysis.tables.judged.verdicts))
    if "md" in formats:
        _replace(folder / "report.md", markdown.render(analysis).encode())
    if "html" in formats:
        _replace(folder / "index.html", page.render(analysis, drawings).encode())


def _write_figures(folder: Path, drawings: Sequence[Drawing]) -> None:
    """Write every figure, and take away those of an earlier report that are no longer drawn."""
    make_folder(folder.parent, folder.name)
    written = set()
    for drawing in drawings:
        for name, data in ((f"{drawing.name}.svg", drawing.svg().encode()), (f"{drawing.name}.png", drawing.png())):
            _replace(folder / name, data)
            written.add(name)
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        if old.name not in written:
            old.unlink()


def _replace(path: Path, content: bytes) -> None:
    write_bytes(path, content, durable=False)  # a report can be made again
