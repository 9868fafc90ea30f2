"""``initlab schema``: the JSON Schema of the files people write, for editors."""

from typing import Annotated

import typer

from initlab.api.schemas import FILES
from initlab.api.schemas import schema as json_schema
from initlab.cli.console import guarded, print_json
from initlab.cli.plugins import Plugins


@guarded
def schema(
    kind: Annotated[str, typer.Option(help=f"of which file: {', '.join(FILES)}")] = "sweep",
    plugin: Plugins = None,
) -> None:
    """Print the JSON Schema of a spec file, with the names that are registered here, for your editor."""
    print_json(json_schema(kind, plugins=plugin or []))
