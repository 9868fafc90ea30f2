"""``initlab report``: from a stored sweep to something to read. Never trains."""

from pathlib import Path
from typing import Annotated

import typer

from initlab.api.sweeping import FORMATS
from initlab.api.sweeping import report as write_report
from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.sweep_text import print_table


@guarded
def report(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    formats: Annotated[str, typer.Option("--format", help="html, md, csv, json, separated by commas")] = ",".join(
        FORMATS
    ),
    as_json: Annotated[bool, typer.Option("--json", help="print the sweep's JSON document on stdout")] = False,
) -> None:
    """Write the report of a sweep: HTML, Markdown, CSV and figures. Works while the sweep is still running."""
    written = write_report(path, formats=[name.strip() for name in formats.split(",")])
    if as_json:
        print_json(written.analysis.results.to_json())
    else:
        print_table(stdout(), written.analysis)
    stderr().print(written.describe(), soft_wrap=True, markup=False)
