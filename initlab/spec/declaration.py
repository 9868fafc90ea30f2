"""How a field of a spec is declared, and what every reader of specs can ask of a declaration.

A field is declared once, as an attribute of a model: its type says which values are legal, ``Field`` its default and
help, and a :class:`Traits` in its annotation the rest::

    n_layer: Annotated[Count, SIZE] = Field(4, description="transformer blocks")

Flags, help, validation, JSON Schema, lane groups, identity and reports all follow from that line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Count = Annotated[int, Field(gt=0)]
Index = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]

Kind: TypeAlias = Literal["integer", "number", "boolean", "string"]
Role: TypeAlias = Literal["subject", "size", "base size", "network", "data", "budget", "knob", "seed"]
Phase: TypeAlias = Literal["init", "first update", "training"]
Identity: TypeAlias = Literal["always", "if changed", "elsewhere"]


class Frozen(BaseModel):
    """A checked value: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class Unset:
    """Marks what a declaration leaves open."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a field is to planning, identity and reports; a field without any has the safe ones.

    - ``role``: what is compared (``subject``), a ``size`` of the model or of its μP base, the rest of the
      ``network``, ``data``, ``budget`` (how much is trained), a ``knob`` of training, or a ``seed``.
    - ``phase``: when it first matters.
    - ``per_lane``: runs that differ in it can be lanes of one group; any other field separates groups.
    - ``identity``: whether a run's id has it ``always``, ``if changed`` from ``neutral`` (its default, if unset), or
      by what is made of it (``elsewhere``: ``reason`` says where). ``spec/identity.py`` has the rule.
    - ``names``: the kind of registered thing that its values name.
    - ``unit``; ``unset``, what a field without a value comes to; and its ``flag`` where that is not its name.
    """

    role: Role = "network"
    phase: Phase = "init"
    per_lane: bool = False
    identity: Identity = "if changed"
    reason: str = ""
    neutral: Any = Unset
    names: str | None = None
    unit: str | None = None
    unset: str | None = None
    flag: str | None = None

    def of(self, **changes: Any) -> "Traits":
        """Return these traits with some changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class SpecField:
    """A declared field. ``table`` is the one it stands in, empty for a run's own; ``schema`` that of its values."""

    table: str
    name: str
    info: FieldInfo
    schema: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def flag(self) -> str:
        return self.traits.flag or self.name.replace("_", "-")

    @property
    def default(self) -> Any:
        return self.info.default

    @property
    def help(self) -> str:
        return self.info.description or ""

    @cached_property
    def traits(self) -> Traits:
        return next((one for one in self.info.metadata if isinstance(one, Traits)), Traits())

    @property
    def neutral(self) -> Any:
        """The value at which a field that is in an id only if changed is left out."""
        return self.default if self.traits.neutral is Unset else self.traits.neutral

    @property
    def kind(self) -> Kind:
        kind: Kind = self.schema["type"]
        return kind

    @property
    def choices(self) -> tuple[str, ...]:
        """The legal values of a closed choice, in the order of the declaration; empty for any other field."""
        return tuple(self.schema.get("enum", ()))


@lru_cache
def declared(model: type[BaseModel], table: str = "") -> Mapping[str, SpecField]:
    """Return the fields of a model by name; its tables, which are models themselves, are left out."""
    properties = model.model_json_schema()["properties"]
    return {
        name: SpecField(table, name, info, _values(properties[name]))
        for name, info in model.model_fields.items()
        if not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel))
    }


def _values(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field's values as a file can hold them: TOML has no null, and a title says nothing."""
    legal = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    return {key: value for key, value in legal.items() if key not in ("title", "default", "description")}
