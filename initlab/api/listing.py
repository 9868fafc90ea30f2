"""What there is of one kind: inits, activations, corpora, probes and whatever else is registered by name."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.adapter import ADAPTERS
from initlab.data.corpora import CORPORA
from initlab.errors import InitlabError, did_you_mean
from initlab.files.public import PublicTable
from initlab.inits.catalogue import INITS, blueprint_for, in_order
from initlab.inits.describe import NEED_HEADS, plain_text
from initlab.launchers.launcher import LAUNCHERS
from initlab.network.taps import TAPS
from initlab.network.topology import GPT2_VOCABULARY
from initlab.optimizers.rules import OPTIMIZERS
from initlab.plugins.loading import PLUGIN_KINDS, load_plugins
from initlab.plugins.registry import Registry
from initlab.probes.quantities import BACKWARD_PROBES, UPDATE_PROBES
from initlab.probes.reductions import PROBES
from initlab.spec.run import ModelSpec

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["KINDS", "NEED_HEADS", "PLUGIN_KINDS", "Item", "Kind", "Listing", "listing", "plain_text"]


@dataclass(frozen=True)
class Item:
    """One name: its aliases, what it is in a line, where it comes from, and what an init needs of a trainer."""

    name: str
    summary: str
    source: str
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "aliases": list(self.aliases),
            "summary": self.summary,
            "source": self.source,
            "needs": list(self.needs),
        }


@dataclass(frozen=True, repr=False)
class Listing(PublicTable):
    """Items in the order in which they are shown; ``skipped`` says why an installed plug-in cannot be used."""

    kind: str
    items: tuple[Item, ...]
    skipped: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: object) -> bool:
        return any(name == item.name or name in item.aliases for item in self.items)

    def __getitem__(self, name: str) -> Item:
        """Return the item of a name or alias; raises InitlabError with the nearest one."""
        for item in self.items:
            if name == item.name or name in item.aliases:
                return item
        hint = did_you_mean(name, (known for item in self.items for known in (item.name, *item.aliases)))
        raise InitlabError(f"none of the {self.kind} is called {name!r}{hint}")

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.items]

    def document(self) -> dict[str, Any]:
        return {"items": [item.to_json() for item in self.items]}

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a name: name, summary, source, aliases, needs."""
        import pandas as pd

        return pd.DataFrame([asdict(item) for item in self.items], columns=list(Item.__dataclass_fields__))

    def describe(self) -> str:
        width = max((len(item.name) for item in self.items), default=0)
        lines = [f"{item.name:<{width}}  {plain_text(item.summary)}" for item in self.items]
        return "\n".join([f"{len(self.items)} {self.kind}", *lines])


def _inits() -> tuple[Item, ...]:
    items = []
    for name, entry in in_order():
        try:
            needs = blueprint_for(ModelSpec(), name, "gelu", GPT2_VOCABULARY).needs
        except InitlabError as error:
            INITS.skip(name, str(error))
            continue
        items.append(Item(name, entry.summary, entry.source, INITS.aliases(name), tuple(needs)))
    return tuple(items)


def _activations() -> tuple[Item, ...]:
    return tuple(
        Item(name, entry.formula, entry.source, ACTIVATIONS.aliases(name)) for name, entry in ACTIVATIONS.items()
    )


def _corpora() -> tuple[Item, ...]:
    return tuple(Item(name, entry.summary, _origin(CORPORA, name)) for name, entry in CORPORA.items())


def _taps() -> tuple[Item, ...]:
    return tuple(Item(name, tap.summary, f"({', '.join(tap.axes)})") for name, tap in TAPS.items())


def _launchers() -> tuple[Item, ...]:
    return tuple(Item(name, entry.summary, _origin(LAUNCHERS, name)) for name, entry in LAUNCHERS.items())


def _optimizers() -> tuple[Item, ...]:
    return tuple(
        Item(name, entry.summary, entry.source, OPTIMIZERS.aliases(name)) for name, entry in OPTIMIZERS.items()
    )


def _origin(registry: Registry[Any], name: str) -> str:
    return "built in" if registry.is_built_in(name) else "plug-in"


def _probes() -> tuple[Item, ...]:
    forward = [Item(name, probe.summary, f"tap: {probe.tap}") for name, probe in PROBES.items()]
    backward = [Item(name, entry.summary, "backward pass") for name, entry in BACKWARD_PROBES.items()]
    updates = [Item(name, entry.summary, "the last update") for name, entry in UPDATE_PROBES.items()]
    return (*forward, *backward, *updates)


def _adapters() -> tuple[Item, ...]:
    return tuple(Item(name, entry.summary, _origin(ADAPTERS, name)) for name, entry in ADAPTERS.items())


@dataclass(frozen=True)
class Kind:
    """How one kind is listed; ``registry`` is what knows of its broken plug-ins, None where there can be none."""

    items: Callable[[], tuple[Item, ...]]
    registry: Registry[Any] | None = None


KINDS: dict[str, Kind] = {
    "inits": Kind(_inits, INITS),
    "activations": Kind(_activations, ACTIVATIONS),
    "corpora": Kind(_corpora, CORPORA),
    "probes": Kind(_probes, PROBES),
    "taps": Kind(_taps),
    "launchers": Kind(_launchers, LAUNCHERS),
    "optimizers": Kind(_optimizers, OPTIMIZERS),
    "adapters": Kind(_adapters, ADAPTERS),
}


def listing(kind: str, *, plugins: tuple[str, ...] | list[str] = ()) -> Listing:
    """Return what there is of a kind; raises InitlabError for a kind that does not exist."""
    load_plugins(plugins)
    if kind not in KINDS:
        raise InitlabError(f"nothing of kind {kind!r} to list{did_you_mean(kind, KINDS)}")
    items = KINDS[kind].items()
    registry = KINDS[kind].registry
    return Listing(kind, items, tuple(registry.broken.values()) if registry else ())


def list_inits() -> Listing:
    """Return every init, family by family, plug-ins last.

    >>> import initlab
    >>> inits = initlab.list_inits()
    >>> "depth-scaled" in inits, inits["gpt2"].needs
    (True, ('weights',))
    """
    return listing("inits")


def list_activations() -> Listing:
    """Return every activation; ``summary`` is its formula.

    >>> import initlab
    >>> initlab.list_activations()["relu"].summary
    'max(x, 0)'
    """
    return listing("activations")


def list_corpora() -> Listing:
    """Return the corpora that have a name; a path is one too.

    >>> import initlab
    >>> "synthetic" in initlab.list_corpora()
    True
    """
    return listing("corpora")


def list_probes() -> Listing:
    """Return what is measured at a probed step; ``source`` says where.

    >>> import initlab
    >>> initlab.list_probes()["residual_ms"].source
    'tap: residual'
    """
    return listing("probes")


def list_launchers() -> Listing:
    """Return who may train lane groups.

    >>> import initlab
    >>> "local" in initlab.list_launchers()
    True
    """
    return listing("launchers")


def list_optimizers() -> Listing:
    """Return the optimizers; ``optimizer="sgd"`` of a sweep names one.

    >>> import initlab
    >>> initlab.list_optimizers().names[:2]
    ['adamw', 'sgd']
    """
    return listing("optimizers")


def list_adapters() -> Listing:
    """Return the families of models whose tensors are mapped to slots and back; ``weights`` writes their names.

    >>> import initlab
    >>> "hf-llama" in initlab.list_adapters()
    True
    """
    return listing("adapters")
