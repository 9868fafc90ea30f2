"""The JSON Schema of the files people write, for editors and for other tools, made from the declarations.

What one schema cannot say stays with the programs: that ``n_head`` divides ``n_embd``, or that an init and a topology
go together.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from initlab.files.json import SCHEMA_VERSION
from initlab.spec.declaration import SpecField
from initlab.spec.fields import FIELDS, TABLES, field_path
from initlab.spec.sweep import NAME_PATTERN

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def sweep_schema(names: Mapping[str, Schema]) -> Schema:
    """Return the schema of ``sweep.toml``. ``names`` has one of the names of every kind: inits, activations, ..."""
    grid = _table("One grid, the product of its axes.", {**_axes(), **_tables(_axis), "zip": _zip()})
    return {
        **_head("sweep"),
        **_table(
            "A sweep: fields that all its runs share, and the axes in which they differ.",
            {
                "name": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
                "question": {"type": "string"},
                **_tables(_reference),
                "sweep": {"anyOf": [{"$ref": "#/$defs/grid"}, {"type": "array", "items": {"$ref": "#/$defs/grid"}}]},
            },
        ),
        "$defs": {**{path: _values(field, names) for path, field in FIELDS.items()}, "grid": grid},
    }


def file_schema(kind: str, model: type[BaseModel]) -> Schema:
    """Return the schema of a file that is read as a model."""
    return {**_head(kind), **model.model_json_schema()}


def _head(kind: str) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:initlab:{kind}:{SCHEMA_VERSION}"}


def _table(description: str, properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }


def _values(field: SpecField, names: Mapping[str, Schema]) -> Schema:
    """Return the schema of a field's values; a default that depends on others is said in words."""
    kind = field.traits.names
    facts = [field.help, f"in {field.traits.unit}" if field.traits.unit else ""]
    facts += [f"default: {field.traits.unset}" if field.traits.unset else ""]
    return {
        **(names[kind] if kind else field.schema),
        "description": "; ".join(filter(None, facts)),
        **({} if field.default is None else {"default": field.default}),
    }


def _reference(field: SpecField) -> Schema:
    return {"$ref": f"#/$defs/{field.path}"}


def _axis(field: SpecField) -> Schema:
    """Return the schema of an axis: its values, or the only one."""
    return {"anyOf": [_reference(field), {"type": "array", "minItems": 1, "items": _reference(field)}]}


def _tables(schema_of: Callable[[SpecField], Schema]) -> Schema:
    return {
        table: _table(
            (model.__doc__ or "").split("\n")[0],
            {field.name: schema_of(field) for field in FIELDS.values() if field.table == table},
        )
        for table, model in TABLES.items()
    }


def _axes() -> Schema:
    """Return an axis under every key that means a field: its path, or its name alone."""
    keys = {key: field for field in FIELDS.values() for key in (field.path, field.name)}
    return {key: _axis(FIELDS[field_path(key)]) for key in keys}


def _zip() -> Schema:
    group = {"type": "array", "items": {"enum": [*_axes()]}}
    return {"type": "array", "items": group, "description": "axes that move together, such as sizes"}
