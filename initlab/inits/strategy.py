"""What an init is: a function from slot to law, plus what it asks of the network around it.

Free of torch. An init is registered by decorating a function whose keyword parameters are the init's own
parameters and which returns a :class:`Strategy`::

    @init("tiny", source="an example")
    def tiny(std: float = 0.001) -> Strategy:
        \"\"\"Everything very small.\"\"\"
        return Strategy(weights(lambda slot: Normal(std)))
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from initlab.errors import InitlabError, did_you_mean
from initlab.laws import ONES, ZEROS, Dims, Dist, Law, Normal, Slot, Topology, scale
from initlab.registry import Registry
from initlab.slots import gpt_slots

LawFunction: TypeAlias = Callable[[Slot], Law | None]


def _pre_norm(dims: Dims) -> Topology:
    return Topology()


@dataclass(frozen=True)
class Strategy:
    """``law`` answers for every slot (None: the slot does not exist), ``topology`` for the network."""

    law: LawFunction
    topology: Callable[[Dims], Topology] = _pre_norm


@dataclass(frozen=True)
class InitEntry:
    """A registered init: how to build it from its parameters, and where it comes from."""

    build: Callable[..., Strategy]
    source: str

    @property
    def summary(self) -> str:
        return inspect.cleandoc(self.build.__doc__ or "").split("\n")[0]

    @property
    def why(self) -> str:
        return inspect.cleandoc(self.build.__doc__ or "").partition("\n")[2].strip()

    @property
    def parameters(self) -> dict[str, Any]:
        """Names of the init's own parameters and their defaults."""
        return {name: p.default for name, p in inspect.signature(self.build).parameters.items()}


INITS: Registry[InitEntry] = Registry("init")


def init(
    name: str, *, source: str, aliases: tuple[str, ...] = ()
) -> Callable[[Callable[..., Strategy]], Callable[..., Strategy]]:
    """Register an init under ``name``; ``source`` cites a paper and equation, or a repository and file."""

    def decorate(build: Callable[..., Strategy]) -> Callable[..., Strategy]:
        INITS.add(name, InitEntry(build, source), aliases=aliases)
        return build

    return decorate


@dataclass(frozen=True)
class Init:
    """An init with its parameters bound, as ``resolve`` returns it."""

    name: str
    parameters: dict[str, Any]
    entry: InitEntry
    strategy: Strategy = field(repr=False)

    def law(self, slot: Slot) -> Law | None:
        return self.strategy.law(slot)

    def topology(self, dims: Dims) -> Topology:
        return self.strategy.topology(dims)

    def table(self, dims: Dims) -> list[tuple[Slot, Law]]:
        """Return every slot that exists with its law."""
        laws = ((slot, self.law(slot)) for slot in gpt_slots(dims))
        return [(slot, law) for slot, law in laws if law is not None]

    def needs(self, dims: Dims) -> list[str]:
        """Return what a trainer must honour beyond drawing weights, derived from the laws."""
        laws = [law for _, law in self.table(dims)]
        needs = ["weights"]
        if any(law.mult != 1 for law in laws):
            needs.append("multipliers")
        if any((law.lr, law.wd, law.eps) != (1, 1, 1) or not law.train for law in laws):
            needs.append("optimizer groups")
        return needs


def resolve(text: str) -> Init:
    """Return the init that ``name`` or ``name:key=value,key=value`` names.

    Raises InitlabError for an unknown name or key, or a value of the wrong type, with the nearest right thing.
    """
    name, _, rest = text.partition(":")
    name = INITS.canonical(name.strip())
    entry = INITS.get(name)
    defaults = entry.parameters
    given: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise InitlabError(f"init {text!r}: expected key=value after the colon, got {item!r}")
        if key not in defaults:
            hint = did_you_mean(key, defaults) if defaults else "; it has none"
            raise InitlabError(f"init {text!r}: {name} has no parameter {key!r}{hint}")
        if key in given:
            raise InitlabError(f"init {text!r}: {key} is given twice")
        given[key] = _typed(text, key, value, type(defaults[key]))
    changed = {key: value for key, value in given.items() if value != defaults[key]}
    canonical = name + (":" + ",".join(f"{k}={v}" for k, v in sorted(changed.items())) if changed else "")
    return Init(canonical, {**defaults, **given}, entry, entry.build(**given))


def _typed(text: str, key: str, value: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        typed = kind(value)
    except (ValueError, KeyError) as error:
        raise InitlabError(f"init {text!r}: {key} wants a {kind.__name__}, got {value!r}") from error
    if isinstance(typed, float) and not (math.isfinite(typed) and typed >= 0):
        raise InitlabError(f"init {text!r}: {key} wants a finite number that is not negative, got {value!r}")
    return typed


def weights(dist: Callable[[Slot], Dist], *, biases: Callable[[Slot], Dist] = lambda slot: ZEROS) -> LawFunction:
    """Return the law that gives weights and embeddings ``dist(slot)``, linear biases ``biases(slot)``.

    Norms start as the identity: gains 1, biases 0.
    """

    def law(slot: Slot) -> Law:
        if slot.is_weight:
            return Law(dist=dist(slot))
        if slot.role == "bias":
            return Law(dist=biases(slot))
        return Law(dist=ONES if slot.role == "norm_gain" else ZEROS)

    return law


def normal(std: float) -> LawFunction:
    """Return the law of GPT-2's code: every weight N(0, std²), every bias zero."""
    return weights(lambda slot: Normal(std))


def scaled(base: LawFunction, where: Callable[[Slot], bool], factor: Callable[[Slot], float]) -> LawFunction:
    """Return ``base`` with the draws of the slots ``where`` holds multiplied by ``factor(slot)``."""

    def law(slot: Slot) -> Law | None:
        found = base(slot)
        if found is None or not where(slot):
            return found
        return Law(**{**found.__dict__, "dist": scale(found.dist, factor(slot))})

    return law


def writes_residual(slot: Slot) -> bool:
    return slot.writes_residual


def inv_sqrt_2l(slot: Slot) -> float:
    """1/√(2L): one over the root of the number of residual branches."""
    return 1 / math.sqrt(2 * slot.dims.n_layer)
