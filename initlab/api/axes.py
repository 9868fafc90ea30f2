"""From plain Python values to fields of a spec: sizes of one model, and the axes of a sweep."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from initlab.errors import InitlabError, did_you_mean
from initlab.files.escaping import brief
from initlab.files.limits import RUNS
from initlab.files.toml import parse_toml
from initlab.planning.expand import check_table
from initlab.planning.names import names_of
from initlab.plugins.parameters import split_names
from initlab.spec.declaration import SpecField
from initlab.spec.fields import BASE, BASE_SIZES, FIELDS, TARGET_SIZES, field_path
from initlab.spec.run import ModelSpec

__all__ = [
    "BASE",
    "BASE_SIZES",
    "FIELDS",
    "TARGET_SIZES",
    "Scalar",
    "SpecField",
    "Values",
    "axes_of",
    "check_seed_count",
    "field_path",
    "flag_value",
    "names_in",
    "names_of",
    "one_model",
    "seeds_of",
    "split_names",
    "target_sizes",
]

Scalar: TypeAlias = str | int | float | bool
Values: TypeAlias = Scalar | Sequence[Scalar] | None
"""A field's value, or several, which make an axis; None leaves the field at its default."""


def names_in(value: str | Iterable[str]) -> list[str]:
    """Return the names in ``"a,b"`` or ``["a", "b"]``; raises InitlabError where there is none."""
    names = split_names(value) if isinstance(value, str) else list(value)
    if not names:
        raise InitlabError("expected at least one name, got none")
    return names


def listed(value: Values) -> list[Any]:
    """Return an axis: a value alone is one of one value."""
    return [value] if isinstance(value, str | int | float) or value is None else list(islice(value, RUNS.allowed + 1))


def axes_of(fields: Mapping[str, Values]) -> dict[str, list[Any]]:
    """Return axes by the fields' paths; raises InitlabError for a name that is no field, with the nearest one."""
    axes: dict[str, list[Any]] = {}
    for key, value in fields.items():
        if value is None:
            continue
        values = listed(value)
        if not values:
            raise InitlabError(f"{key}: an axis needs at least one value")
        axes[field_path(key)] = values
    return axes


def seeds_of(seeds: int | Iterable[int]) -> list[int]:
    """Return the seeds that ``3`` (0, 1, 2) or a list names; raises InitlabError where there are none."""
    if isinstance(seeds, int):
        check_seed_count(seeds, "seeds")
    listed_seeds = list(range(seeds)) if isinstance(seeds, int) else list(islice(seeds, RUNS.allowed + 1))
    check_seed_count(len(listed_seeds), "seeds")
    if not listed_seeds:
        raise InitlabError(f"seeds = {brief(seeds)}: names no seed")
    return listed_seeds


def check_seed_count(number: int, where: str) -> None:
    """Raise InitlabError for more seeds than a sweep may have runs."""
    RUNS.check(number, where)


def flag_value(text: str) -> Any:
    """Return the TOML value that a flag's text is; the text itself where it is none, for validation to refuse."""
    try:
        document = parse_toml(f"value = {text}", "")
    except InitlabError:
        return text
    return document["value"] if set(document) == {"value"} else text


def target_sizes(target: Mapping[str, int] | None) -> dict[str, int]:
    """Return the sizes of a larger model by name, none where there is no target; raises InitlabError for no sizes."""
    sizes = dict(target or {})
    for name, value in sizes.items():
        if name not in TARGET_SIZES:
            raise InitlabError(f"target: no size {name!r}{did_you_mean(name, TARGET_SIZES)}")
        if type(value) is not int or value < 1:
            raise InitlabError(f"target: expected a whole number from 1 as {name}, got {brief(value)}")
        if value > (most := FIELDS[f"model.{name}"].schema["maximum"]):
            raise InitlabError(f"target: expected a number up to {most} as {name}, got {brief(value)}")
    return sizes


def one_model(fields: Mapping[str, Values]) -> ModelSpec:
    """Return the model that fields describe, each with one value; raises InitlabError for any other field."""
    values: dict[str, Any] = {}
    for path, axis in axes_of(fields).items():
        table, _, name = path.partition(".")
        if table != "model":
            raise InitlabError(f"{path} is no field of the model")
        if len(axis) > 1:
            raise InitlabError(f"{path}: expected one value, got {brief(axis)}")
        values[name] = axis[0]
    model = check_table("model", values)
    assert isinstance(model, ModelSpec)
    return model
