"""What an adapter is: a family of models that are not ours, mapped to slots and back. Free of torch.

A family is one file: here, in a package that offers it under the entry points ``initlab.adapters``, or named by
``--plugin``. It registers a subclass of :class:`Adapter`; most need no more than ``decoder.Decoder``
with names and a config::

    @adapter("acme")
    class Acme(Decoder):
        summary = "Acme's decoder"
        topology = Topology(norm="rmsnorm", positions="rotary")
        names = Names(root="model.", outside={...}, block="layers.{}", inside={...})
        settings = {"n_head": "heads", "block_size": "context"}
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import Network
from initlab.plugins.registry import Registry


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """What is known of a model: its tensors' shapes, and its config, empty where there is none.

    ``shared`` are names of tensors whose memory is that of another one, and that one's name.
    """

    shapes: Mapping[str, tuple[int, ...]]
    config: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The part of a tensor that is one slot.

    ``outputs`` are the (first, one past the last) ranges of the tensor's outputs that are the slot's, none for all of
    them: of its rows or, where it lies ``transposed`` as (fan_in, fan_out), of its columns.
    """

    tensor: str
    outputs: tuple[tuple[int, int], ...] = ()
    transposed: bool = False


@dataclass(frozen=True, kw_only=True)
class SlotMap:
    """Where each slot of a model lies: ``slices`` has one entry for every slot of ``network``, by its name.

    ``copies`` are tensors that repeat another one (a tied head that has a name of its own); ``unmapped`` those that
    hold no slot (masks, frequencies). ``assumed`` are sizes that neither the tensors nor the config say.
    ``activation`` is None where the config has one that initlab does not know. ``family`` is the adapter's name, once
    it is known.
    """

    network: Network
    slices: Mapping[str, Slice]
    copies: Mapping[str, str] = field(default_factory=dict)
    unmapped: tuple[str, ...] = ()
    assumed: Mapping[str, int] = field(default_factory=dict)
    activation: str | None = None
    family: str = ""


class Adapter(ABC):
    """A family: how its models are recognised and read, and how a network of ours is written as one of them.

    ``activation`` is the family's own, and ``defaults`` are its choice of what a model spec leaves open.
    ``folds``: it has no tensors for multipliers, whose values go into the tensors beside them.
    """

    summary: ClassVar[str]
    activation: ClassVar[str] = "gelu"
    defaults: ClassVar[Mapping[str, Any]] = {}
    folds: ClassVar[bool] = True

    @abstractmethod
    def recognises(self, state: ModelState) -> bool:
        """Return whether a model is of this family; at most one family says so of any model."""

    @abstractmethod
    def read(self, state: ModelState) -> SlotMap:
        """Return where a model's slots lie; raises InitlabError, naming a tensor, where it is not of this family."""

    @abstractmethod
    def misfit(self, blueprint: Blueprint, activation: str) -> str | None:
        """Say which feature of a network the family has no place for, None where it has one for all."""

    @abstractmethod
    def written(self, blueprint: Blueprint) -> SlotMap:
        """Return where the slots of a network that fits go; biases and gains that it lacks may be among them."""

    @abstractmethod
    def config(self, blueprint: Blueprint, activation: str) -> dict[str, Any]:
        """Return what the trainer's model must be configured with to be this network."""


ADAPTERS: Registry[Adapter] = Registry(
    "adapter", code=type, entry_points="initlab.adapters", built_ins="initlab.adapters.families"
)
_Family = TypeVar("_Family", bound=Adapter)


def adapter(name: str) -> Callable[[type[_Family]], type[_Family]]:
    """Register a family's class under the name that ``--format`` takes; raises InitlabError for one that is taken."""

    def decorate(family: type[_Family]) -> type[_Family]:
        ADAPTERS.add(name, family())
        return family

    return decorate
