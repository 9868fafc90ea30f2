"""The ``initlab`` command: wires from the command line to the library, and nothing else."""

from importlib import metadata
from typing import Annotated

import typer

from initlab.cli.catalogue import explain, list_
from initlab.cli.gate import claims, gate
from initlab.cli.predict import predict
from initlab.cli.report import report
from initlab.cli.status import doctor, status
from initlab.cli.sweep import sweep
from initlab.cli.weights import weights

app = typer.Typer(
    name="initlab",
    help="A wind tunnel for transformer initialisation. `initlab sweep` alone runs the quickstart.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.command()(sweep)
app.command()(report)
app.command()(gate)
app.command()(claims)
app.command()(status)
app.command("list")(list_)
app.command()(explain)
app.command()(predict)
app.command()(weights)
app.command()(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"initlab {metadata.version('initlab')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Global options."""


def run() -> None:
    """Entry point of the ``initlab`` script."""
    app()
