"""``initlab report``: from a stored sweep to something to read. Never trains."""

from pathlib import Path
from typing import Annotated

import typer

from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.sweep_text import print_table
from initlab.errors import InitlabError, did_you_mean
from initlab.files.json import SCHEMA_VERSION
from initlab.results.document import sweep_document
from initlab.results.reading import load_results

FORMATS = ("html", "md", "csv", "json")


@guarded
def report(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    formats: Annotated[str, typer.Option("--format", help="html, md, csv, json, separated by commas")] = ",".join(
        FORMATS
    ),
    as_json: Annotated[bool, typer.Option("--json", help="print the sweep's JSON document on stdout")] = False,
) -> None:
    """Write the report of a sweep: HTML, Markdown, CSV and figures. Works while the sweep is still running."""
    chosen = tuple(name.strip() for name in formats.split(","))
    for name in chosen:
        if name not in FORMATS:
            raise InitlabError(f"--format: no format {name!r}{did_you_mean(name, FORMATS)}")
    results = load_results(path)
    from initlab.reporting.analysis import analyse
    from initlab.reporting.render.write import write_report

    analysis = analyse(results)
    written = write_report(analysis, formats=chosen)
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **sweep_document(results)})
    else:
        print_table(stdout(), analysis)
    stderr().print(f"report: {written}", soft_wrap=True, markup=False)
