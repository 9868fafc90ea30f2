"""What an init is: a function from slot to law, plus what it asks of the network around it.

Free of torch. An init is registered by decorating a function whose keyword parameters are the init's own
parameters and which returns a :class:`Strategy`::

    @init("tiny", source="an example")
    def tiny(std: float = 0.001) -> Strategy:
        \"\"\"Everything very small.\"\"\"
        return Strategy(weights(lambda slot: Normal(std)))
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from initlab.errors import InitlabError
from initlab.network.blueprint import Blueprint, Prepare, merge
from initlab.network.laws import Law
from initlab.network.slot_table import Network, SlotTable, possible_slots, table_of
from initlab.network.slots import TOKEN_EMBEDDING, Role, Slot
from initlab.network.source_network import SourceNetwork
from initlab.network.topology import GPT2_TOPOLOGY, SCALE_SHAPES, Dims, Topology
from initlab.plugins.parameters import canonical_text, check_defaults, parse_parameters, split_name
from initlab.plugins.registry import Registry

NO_NETWORK = "it is a rule for matrices, which its source gives no network"
"""Why ``as_source`` has nothing to take, where an init does not say."""

LawFunction: TypeAlias = Callable[[Slot], Law | None]
Status: TypeAlias = Literal["checked", "unverified"]


@dataclass(frozen=True)
class Strategy:
    """``law`` answers for every slot (None: the slot does not exist).

    ``topology`` is the network it is made for, the same at every size; ``tied`` what it does with the head where
    nobody says otherwise, and ``tied_as`` the role by whose law a tied tensor is drawn; ``prepare`` the hook before
    step 0 of what is not a law per slot.
    """

    law: LawFunction
    topology: Topology = GPT2_TOPOLOGY
    tied: bool = True
    tied_as: Role = TOKEN_EMBEDDING
    prepare: Prepare | None = None


@dataclass(frozen=True)
class InitEntry:
    """A registered init: how to build it from its parameters, and where it comes from.

    ``status`` is unverified where its source could not be read. ``network`` is the source's, or why there is none.
    """

    build: Callable[..., Strategy]
    citation: str
    status: Status = "checked"
    network: SourceNetwork | str = NO_NETWORK

    @property
    def source(self) -> str:
        return self.citation if self.status == "checked" else f"{self.citation} ({self.status})"

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

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """The values of parameters that have only a few."""
        annotated = inspect.get_annotations(self.build, eval_str=True)
        return {name: get_args(kind) for name, kind in annotated.items() if name != "return" and get_args(kind)}


INITS: Registry[InitEntry] = Registry(
    "init", code=lambda entry: entry.build, entry_points="initlab.inits", built_ins="initlab.inits.catalogue"
)


def init(
    name: str,
    *,
    source: str,
    aliases: tuple[str, ...] = (),
    status: Status = "checked",
    network: SourceNetwork | str = NO_NETWORK,
) -> Callable[[Callable[..., Strategy]], Callable[..., Strategy]]:
    """Register an init under ``name``; ``source`` cites a paper and equation, or a repository and file.

    ``network`` is what ``as_source`` takes: the network of that source, or in words why it has none. Raises
    InitlabError where a parameter has no default that can be written in a spec.
    """

    def decorate(build: Callable[..., Strategy]) -> Callable[..., Strategy]:
        entry = InitEntry(build, source, status, network)
        check_defaults(f"init {name!r}", entry.parameters)
        INITS.add(name, entry, aliases=aliases)
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
        """Return the slot's law; a tied tensor is asked for under the role that it is drawn by."""
        return self.strategy.law(replace(slot, role=self.strategy.tied_as) if slot.aliases else slot)

    def blueprint(
        self, dims: Dims, settings: Mapping[str, Any] | None = None, *, slots: SlotTable = possible_slots
    ) -> Blueprint:
        """Apply the init to sizes, and to a model's settings of the topology (None leaves one to the init).

        ``slots`` are those that the network may have, the shared GPT's where nothing is said. Raises InitlabError
        where init and settings cannot go together, or where the result is degenerate.
        """
        topology = merge(self.strategy.topology, settings or {}, self.name)
        possible = slots(dims, topology)
        with INITS.blame(self.name, self.entry):
            laws = [(slot, self.law(slot)) for slot in possible]
        for slot, law in laws:
            if not isinstance(law, Law | None):
                raise InitlabError(f"init {self.name!r}: the law of {slot.name} is a {type(law).__name__}, not a Law")
        existing = tuple((slot, law) for slot, law in laws if law is not None)
        blueprint = Blueprint(self.name, dims, topology, existing, self.strategy.tied_as, self.strategy.prepare)
        blueprint.check(possible)
        return blueprint

    def blueprint_for(self, network: Network) -> Blueprint:
        """Apply the init to a network that has slots of its own, such as a model that an adapter has read.

        Raises InitlabError as :meth:`blueprint` does.
        """
        settings = {name: value for name, value in asdict(network.topology).items() if name not in SCALE_SHAPES}
        return self.blueprint(network.dims, settings, slots=table_of(network))

    def table(self, dims: Dims) -> list[tuple[Slot, Law]]:
        """Return every slot that exists with its law."""
        return list(self.blueprint(dims).laws)


def resolve(text: str) -> Init:
    """Return the init that ``name`` or ``name:key=value,key=value`` names.

    Raises InitlabError for an unknown name or key, or a value of the wrong type, with the nearest right thing.
    """
    name = INITS.canonical(split_name(text)[0])
    entry = INITS.get(name)
    given = parse_parameters("init", text, name, entry.parameters, entry.choices)
    canonical = canonical_text(name, given, entry.parameters)
    return Init(canonical, {**entry.parameters, **given}, entry, _built(canonical, entry, given))


def _built(name: str, entry: InitEntry, given: dict[str, Any]) -> Strategy:
    with INITS.blame(name, entry):
        strategy = entry.build(**given)
    if not isinstance(strategy, Strategy):
        raise InitlabError(f"init {name!r} returns a {type(strategy).__name__}, not a Strategy")
    return strategy
