"""The ``initlab`` command: names its subcommands and loads the one that is called; none waits for the rest."""

import sys
from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from initlab.api.process import EXIT_INTERRUPTED, empty_argument, plain_usage_errors, prepare

COMMANDS = {
    "sweep": ("sweep:sweep", "Train what is missing of a sweep; the same command again resumes it."),
    "report": (
        "report:report",
        "Write the report of a sweep: HTML, Markdown, CSV and figures. Works while the sweep is still running.",
    ),
    "gate": (
        "gate:gate",
        "Check a stored sweep against limits and a baseline: exit 0 green, 1 red, 3 runs missing, 4 open (--strict).",
    ),
    "claims": (
        "gate:claims",
        "Say of each claim whether a stored sweep supports or refutes it: exit 0 whatever comes out, 3 runs missing.",
    ),
    "status": ("status:status", "Say which runs of a sweep are finished, running, failed, diverged or missing."),
    "show": ("show:show", "Print one run: its config, its laws, its curve and its log."),
    "prune": (
        "show:prune",
        "Remove runs that the sweep no longer asks for, its quarantine, and what torch's compiler has kept.",
    ),
    "list": ("catalogue:list_", "List what there is of one kind."),
    "explain": ("catalogue:explain", "Print the law of every slot an init sets, for any sizes."),
    "predict": (
        "predict:predict",
        "Print what theory expects of an init at step 0: residual stream, gradients, loss. Nothing is trained.",
    ),
    "weights": (
        "weights:weights",
        "Write an initial checkpoint in the names of your trainer's model, for it to start from.",
    ),
    "schema": (
        "schema:schema",
        "Print the JSON Schema of a spec file, with the names that are registered here, for your editor.",
    ),
    "doctor": ("status:doctor", "Check that this machine can run sweeps, and say with what."),
}
"""By name: the function, as ``module:function`` of this package, and the line it has in ``initlab --help``."""


def load(name: str) -> Any:
    """Return the function behind a command."""
    module, _, function = COMMANDS[name][0].partition(":")
    return getattr(import_module(f"initlab.cli.{module}"), function)


class LazyGroup(TyperGroup):
    """Puts the command in the place of its name once it is called, or its options are completed."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **settings: Any) -> Any:
        with plain_usage_errors():
            if (empty := empty_argument(args)) is not None:
                raise typer.BadParameter(empty)
            return super().make_context(info_name, args, *rest, **settings)

    def invoke(self, ctx: Any) -> Any:
        with plain_usage_errors():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        name, named, rest = super().resolve_command(ctx, args)
        if named is None or name is None:
            return name, named, rest
        alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        alone.command(name)(load(name))
        return name, typer.main.get_command(alone), rest


app = typer.Typer(
    cls=LazyGroup,
    name="initlab",
    help="A wind tunnel for transformer initialisation. `initlab sweep` alone runs the quickstart.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
for name, (_, summary) in COMMANDS.items():
    app.command(name, help=summary)(lambda: None)


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
    prepare()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # before or after a command, each of which guards itself
        from initlab.cli.console import unexpected

        sys.exit(unexpected(error))
