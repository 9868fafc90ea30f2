"""``initlab schema``: the JSON Schema of the files people write, for editors."""

from typing import Annotated

import typer

from initlab.cli.console import guarded, print_json
from initlab.cli.plugins import Plugins, load_plugins
from initlab.errors import InitlabError, did_you_mean
from initlab.planning.names import NAMES
from initlab.spec.schema import file_schema, sweep_schema
from initlab.verdicts.statement import ClaimsFile, GatesFile

KINDS = {
    "sweep": lambda: sweep_schema({kind: names.schema() for kind, names in NAMES.items()}),
    "claims": lambda: file_schema("claims", ClaimsFile),
    "gates": lambda: file_schema("gates", GatesFile),
}


@guarded
def schema(
    kind: Annotated[str, typer.Option(help=f"of which file: {', '.join(KINDS)}")] = "sweep",
    plugin: Plugins = None,
) -> None:
    """Print the JSON Schema of a spec file, with the names that are registered here, for your editor."""
    load_plugins(plugin)
    if kind not in KINDS:
        raise InitlabError(f"no file of kind {kind!r}{did_you_mean(kind, KINDS)}")
    print_json(KINDS[kind]())
