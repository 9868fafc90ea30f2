"""JSON Schemas of the files people write, for editors and other programs."""

from collections.abc import Callable
from typing import Any

from initlab.errors import InitlabError, did_you_mean
from initlab.planning.names import NAMES
from initlab.plugins.loading import load_plugins
from initlab.spec.schema import file_schema, sweep_schema
from initlab.verdicts.statement import ClaimsFile, GatesFile

FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "sweep": lambda: sweep_schema({kind: names.schema() for kind, names in NAMES.items()}),
    "claims": lambda: file_schema("claims", ClaimsFile),
    "gates": lambda: file_schema("gates", GatesFile),
}


def schema(kind: str = "sweep", *, plugins: tuple[str, ...] | list[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file (sweep, claims or gates), with the names that are registered here.

    Raises InitlabError for another kind.

    >>> import initlab
    >>> initlab.schema()["$schema"]
    'https://json-schema.org/draft/2020-12/schema'
    """
    load_plugins(plugins)
    if kind not in FILES:
        raise InitlabError(f"no file of kind {kind!r}{did_you_mean(kind, FILES)}")
    return FILES[kind]()
