"""``initlab status`` and ``initlab doctor``: where a sweep stands, what this machine can do."""

from pathlib import Path
from typing import Annotated

import typer

from initlab.cli.console import guarded, print_json, stdout
from initlab.files.json import SCHEMA_VERSION
from initlab.results.reading import load_results


@guarded
def status(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """Say which runs of a sweep are finished, running, failed, diverged or missing."""
    results = load_results(path)
    if as_json:
        runs = [
            {"id": run.id, "label": run.label, "status": run.status, "reason": run.state.reason}
            for run in results.runs
        ]
        print_json({"schema_version": SCHEMA_VERSION, "path": str(path), "counts": results.counts, "runs": runs})
        return
    console = stdout()
    for run in results.runs:
        reason = f"  ({run.state.reason})" if run.state.reason else ""
        console.print(f"{run.id}  {run.status:<11}  {run.label}{reason}", soft_wrap=True, markup=False)
    console.print(", ".join(f"{number} {status}" for status, number in results.counts.items() if number))


@guarded
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """Check that this machine can run sweeps, and say with what."""
    from initlab.engine.diagnosis import diagnose  # with torch, which every other command starts without

    diagnosis = diagnose()
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **diagnosis.to_json()})
    else:
        stdout().print(diagnosis.describe(), soft_wrap=True, markup=False)
    if not diagnosis.ok:
        raise typer.Exit(1)
