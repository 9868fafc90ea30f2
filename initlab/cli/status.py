"""``initlab status`` and ``initlab doctor``: where a sweep stands, what this machine can do."""

from pathlib import Path
from typing import Annotated

import typer

from initlab.api.checkup import doctor as diagnose
from initlab.api.sweeping import status as standing
from initlab.cli.console import guarded, print_json, stdout


@guarded
def status(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    verify: Annotated[
        bool, typer.Option("--verify", help="compare every file with its checksum; exit 3 where one is damaged")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """Say which runs of a sweep are finished, running, failed, diverged or missing."""
    stored = standing(path, verify=verify)
    if as_json:
        print_json(stored.to_json())
    else:
        stdout().print(stored.describe(), soft_wrap=True, markup=False)
    if verify and stored.problems:
        raise typer.Exit(3)


@guarded
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """Check that this machine can run sweeps, and say with what."""
    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis.to_json())
    else:
        stdout().print(diagnosis.describe(), soft_wrap=True, markup=False)
    if not diagnosis.ok:
        raise typer.Exit(1)
