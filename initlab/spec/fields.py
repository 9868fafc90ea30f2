"""Every field of a spec by its path, such as ``model.n_layer``, as it is declared in :mod:`initlab.spec.run`."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from initlab.errors import InitlabError, did_you_mean
from initlab.spec.declaration import Phase, Role, SpecField, Traits, declared
from initlab.spec.run import DataSpec, ModelSpec, RunSpec, TrainSpec

TABLES: dict[str, type[BaseModel]] = {"model": ModelSpec, "data": DataSpec, "train": TrainSpec}
"""A spec file's tables of fixed fields. A run's own fields stand in none: they are axes."""

BASE = "base_"
"""Begins the name of a size of the base model: ``base_n_embd`` is its ``n_embd``."""


def _fields() -> Iterator[SpecField]:
    for table, model in TABLES.items():
        yield from declared(model, table).values()
    yield from declared(RunSpec).values()


FIELDS: dict[str, SpecField] = {field.path: field for field in _fields()}
RUN_FIELDS: frozenset[str] = frozenset(field.name for field in FIELDS.values() if not field.table)


def names_in(table: str) -> list[str]:
    """Return the names of a table's fields, in their order."""
    return [field.name for field in FIELDS.values() if field.table == table]


def field_path(key: str) -> str:
    """Return the path of a field named with or without its table; raises InitlabError with the nearest name."""
    if key in FIELDS:
        return key
    table, dot, name = key.partition(".")
    if dot and table not in TABLES:
        raise InitlabError(f"no table [{table}]{did_you_mean(table, TABLES)}")
    if dot:
        raise InitlabError(f"[{table}] has no field {name!r}{did_you_mean(name, names_in(table))}")
    paths = [field.path for field in FIELDS.values() if field.name == key]
    if not paths:
        raise InitlabError(f"no field {key!r}{did_you_mean(key, {field.name for field in FIELDS.values()})}")
    return paths[0]


def field_values(spec: RunSpec) -> dict[str, Any]:
    """Return the value of every field by path."""
    tables = {table: getattr(spec, table) for table in TABLES}
    return {path: getattr(tables.get(field.table, spec), field.name) for path, field in FIELDS.items()}


def traits_of(path: str) -> Traits:
    """Return a field's traits; a stored sweep may name a field that this version does not have."""
    field = FIELDS.get(path)
    return field.traits if field else Traits()


def role_of(path: str) -> Role:
    return traits_of(path).role


def phase_of(path: str) -> Phase:
    return traits_of(path).phase


def comparable(path: str) -> bool:
    """Whether final losses of runs that differ in this field can be compared: sizes, data and budgets forbid it."""
    return role_of(path) in ("subject", "knob", "seed")


SIZES: tuple[str, ...] = tuple(field.name for field in FIELDS.values() if field.traits.role == "size")
"""Sizes of the model by name."""

BASE_SIZES: tuple[str, ...] = tuple(
    field.name.removeprefix(BASE) for field in FIELDS.values() if field.traits.role == "base size"
)
"""The sizes that laws scale with: those that the base model has too. Width and depth."""

TARGET_SIZES: tuple[str, ...] = tuple(name for name in SIZES if type(FIELDS[f"model.{name}"].default) is int)
"""The sizes of a larger model: counts that are no corpus's."""
