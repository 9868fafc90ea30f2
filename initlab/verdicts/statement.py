"""The files people write: what a claim or a gate states, as checked values.

A statement measures a number per run (``metric``) in the cells that ``where`` means, may reduce it over an axis
(``over`` and ``reduce``) or take the difference of two settings of one (``compare``), and says between which bounds
the result must lie.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from initlab.errors import InitlabError
from initlab.files.escaping import brief
from initlab.files.toml import TomlFile, read_toml
from initlab.files.untrusted import named_path
from initlab.results.metrics import metric_named
from initlab.results.reading import Scalar
from initlab.spec.declaration import Fraction, Frozen, NonNegative
from initlab.stats.sensitivity import STABLE_WITHIN_NATS

Selection = dict[str, Scalar | list[Scalar]]
Reduction = Literal["slope", "ratio", "sensitivity", "optimum", "stable_decades", "best"]


def _percent(value: Any) -> Any:
    """Read ``"1%"`` as 0.01, of whatever it is a share of."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            return value
    if isinstance(value, str):
        raise ValueError('expected a share such as "1%"')
    return value


Share = Annotated[
    float,
    BeforeValidator(_percent),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "%$"}]}),
]


Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A limit that something can be beyond: no number is above infinity, and nothing compares with NaN."""


class Compare(Frozen):
    """``of`` minus ``against``, two values of one axis, everything else equal."""

    axis: str
    of: Scalar
    against: Scalar

    @model_validator(mode="after")
    def _two(self) -> "Compare":
        if self.of == self.against:
            raise ValueError(f"against is {brief(self.against)}, as of is: a value always equals itself")
        return self


class Statement(Frozen):
    """What claims and gates share."""

    id: str = Field(pattern=r"^[\w.-]+$")
    text: str | None = None
    metric: str | None = None
    where: Selection = Field(default_factory=dict)
    seeds: Literal["mean", "every"] = "mean"
    cells: Literal["each", "pooled"] = "each"
    over: str | None = None
    reduce: Reduction | None = None
    within: NonNegative = STABLE_WITHIN_NATS
    compare: Compare | None = None
    min: Finite | None = None
    max: Finite | None = None

    @field_validator("metric")
    @classmethod
    def _metric(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                metric_named(name)
            except InitlabError as error:
                raise ValueError(str(error)) from error
        return name

    @model_validator(mode="after")
    def _whole(self) -> "Statement":
        if (self.over is None) != (self.reduce is None):
            raise ValueError("over and reduce go together: an axis, and what is made of it")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min:g} is above max = {self.max:g}")
        return self

    @property
    def bounded(self) -> bool:
        return self.min is not None or self.max is not None

    @property
    def bounds(self) -> tuple[float, float]:
        return (
            float("-inf") if self.min is None else self.min,
            float("inf") if self.max is None else self.max,
        )


class Gate(Statement):
    """A limit on a metric, or on how much worse it is than in the baseline.

    ``max_regression`` is a share of the baseline's mean; changes below ``floor``, in the metric's unit, are never a
    regression. ``worse`` says which way is bad.
    """

    max_regression: Share | None = None
    floor: NonNegative = 0.0
    worse: Literal["higher", "lower"] = "higher"

    @model_validator(mode="after")
    def _kind(self) -> "Gate":
        if self.metric is None:
            raise ValueError("expected a metric in a gate")
        if self.bounded == (self.max_regression is not None):
            raise ValueError("expected either min or max, or max_regression, in a gate")
        single = self.compare or self.reduce or self.seeds == "every" or self.cells == "pooled"
        if self.max_regression is not None and single:
            raise ValueError(
                "max_regression is of a metric's mean, cell by cell: no compare, reduce, every or pooled"
            )
        return self


class Drift(Frozen):
    """What must be exactly as in the baseline: the laws of every slot, every field of every cell but ``ignore``."""

    laws: bool = True
    config: bool = True
    ignore: list[str] = Field(default_factory=list)


class GatesFile(Frozen):
    """``gates.toml``. ``false_alarm`` is the chance that any gate of the file is red although nothing changed."""

    confidence: Fraction = 0.95
    false_alarm: Fraction = 0.005
    baseline: str | None = None
    drift: Drift | None = None
    gate: list[Gate] = Field(default_factory=list)

    @property
    def needs_baseline(self) -> bool:
        return self.drift is not None or any(gate.max_regression is not None for gate in self.gate)

    @model_validator(mode="after")
    def _something(self) -> "GatesFile":
        if not self.gate and self.drift is None:
            raise ValueError("nothing to check: it has neither [[gate]] nor [drift]")
        _unique([gate.id for gate in self.gate])
        return self


SizeFactor = Literal["1/sqrt(2*n_layer)", "1/sqrt(n_layer)", "sqrt(2/n_layer)", "1/sqrt(n_embd)"]


class LawFact(Frozen):
    """What an init's law says of the slots of some roles, at several sizes: one of ``equals`` (times a factor of the
    sizes), ``between``, ``same_as`` (the laws of any of these inits) or ``exists``."""

    init: str
    roles: list[str]
    field: Literal["dist", "mean", "std", "mult", "lr", "wd", "train", "tied"] = "std"
    equals: float | bool | str | None = None
    times: SizeFactor | None = None
    between: list[Finite] | None = Field(None, min_length=2, max_length=2)
    same_as: list[str] | None = None
    exists: bool | None = None
    model: dict[str, Scalar] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> "LawFact":
        given = [name for name in ("equals", "between", "same_as", "exists") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected one of equals, between, same_as, exists in a law; it has {', '.join(given) or 'none'}"
            )
        return self


class DefaultFact(Frozen):
    """What a field is where nobody says otherwise; initlab's defaults are nanoGPT's where it has one."""

    field: str
    equals: Scalar


class Claim(Statement):
    """A statement about a sweep, about laws, or about a default; ``source`` says who makes it."""

    source: str | None = None
    law: list[LawFact] = Field(default_factory=list)
    default: DefaultFact | None = None

    @model_validator(mode="after")
    def _kind(self) -> "Claim":
        kinds = [self.metric is not None, bool(self.law), self.default is not None]
        if sum(kinds) != 1:
            raise ValueError("expected one of metric, [[claim.law]] and default in a claim")
        if self.metric is not None and not self.bounded:
            raise ValueError("expected min or max in a claim about a metric")
        return self


Family = Literal["claim", "file"]


class ClaimsFile(Frozen):
    """``claims.toml``. ``family`` is the set of tests within which errors are controlled: every claim by itself, or
    all measured claims of the file together."""

    confidence: Fraction = 0.95
    family: Family = "claim"
    title: str | None = None
    claim: list[Claim] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids(self) -> "ClaimsFile":
        _unique([claim.id for claim in self.claim])
        return self


def _unique(ids: list[str]) -> None:
    repeated = sorted(name for name, number in Counter(ids).items() if number > 1)
    if repeated:
        raise ValueError(f"id {brief(repeated[0])} is used twice")


def read_gates(path: Path) -> tuple[GatesFile, TomlFile]:
    """Read ``gates.toml``, or the one in a folder. Raises InitlabError naming key, line and nearest spelling."""
    file = _read(path, "gates.toml", "gates file")
    return file.parse(GatesFile), file


def read_claims(path: Path) -> tuple[ClaimsFile, TomlFile]:
    """Read ``claims.toml``, or the one in a folder. Raises InitlabError naming key, line and nearest spelling."""
    file = _read(path, "claims.toml", "claims file")
    return file.parse(ClaimsFile), file


def _read(path: Path, name: str, what: str) -> TomlFile:
    path = named_path(path, what)
    return read_toml(path / name, what, below=path) if path.is_dir() else read_toml(path, what)
