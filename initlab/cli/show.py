"""``initlab show`` and ``initlab prune``: one run with all that is stored of it, and what nobody needs any more."""

from pathlib import Path
from typing import Annotated

import typer

from initlab.api.prune_verb import prune as pruned
from initlab.api.run_view import show as shown
from initlab.cli.console import guarded, print_json, stdout

Json = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]


@guarded
def show(
    run: Annotated[str, typer.Argument(help="a run's folder, or its id or the beginning of it")],
    as_json: Json = False,
) -> None:
    """Print one run: its config, its laws, its curve and its log."""
    view = shown(run)
    if as_json:
        print_json(view.to_json())
    else:
        stdout().print(view.describe(), soft_wrap=True, markup=False)


@guarded
def prune(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be removed")] = False,
    as_json: Json = False,
) -> None:
    """Remove runs that the sweep no longer asks for, its quarantine, and what torch's compiler has kept."""
    done = pruned(path, dry_run=dry_run)
    if as_json:
        print_json(done.to_json())
    else:
        stdout().print(done.describe(), soft_wrap=True, markup=False)
