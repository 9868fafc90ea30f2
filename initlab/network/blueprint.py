"""An init applied to sizes: every slot that exists, with its law, and the network around them.

This is what everything downstream reads: the engine draws and trains it, theory predicts it, ``explain`` prints it.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from initlab.errors import InitlabError
from initlab.files.json import content_hash
from initlab.network.laws import Law
from initlab.network.slot_table import Network, rotary_channels
from initlab.network.slots import (
    KEY,
    NORM_SCALE,
    QUERY,
    RELATIVE_POSITION_BIAS,
    RESIDUAL_WRITERS,
    SCALAR_BIAS,
    SCALE_ROLES,
    TOKEN_EMBEDDING,
    Role,
    Slot,
)
from initlab.network.topology import GPT2_TOPOLOGY, SCALE_SHAPES, Dims, Topology, setting

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Tensors: TypeAlias = "dict[str, Tensor]"
TapFunction: TypeAlias = Callable[[str, "Tensor"], "Tensor"]
Forward: TypeAlias = Callable[["Tensors", TapFunction], None]


@dataclass(frozen=True)
class HookContext:
    """What an init's hook may use besides the tensors drawn so far.

    ``generator(name)`` is a slot's own stream of random numbers; ``forward(tensors, tap)`` runs the network on the
    calibration batch, showing ``tap`` every tensor it meets.
    """

    blueprint: "Blueprint"
    generator: "Callable[[str], torch.Generator]"
    forward: Forward


Prepare: TypeAlias = Callable[["Tensors", HookContext], "Tensors"]
"""What is not a law per slot: returns the tensors a network starts with, given those drawn slot by slot."""


@dataclass(frozen=True)
class Blueprint:
    """Every slot that exists, with its law, in the order of the forward pass; ``init`` is the init's full name."""

    init: str
    dims: Dims
    topology: Topology
    laws: tuple[tuple[Slot, Law], ...]
    tied_as: Role = TOKEN_EMBEDDING
    prepare: Prepare | None = field(default=None, compare=False)

    def drawn_as(self, slot: Slot) -> Role:
        """Return the role by whose law a slot is drawn: its own, or one of those that share a tied tensor."""
        return self.tied_as if slot.aliases else slot.role

    @cached_property
    def network(self) -> Network:
        return Network(self.dims, self.topology, tuple(slot for slot, _ in self.laws))

    @property
    def moves_by_slot(self) -> bool:
        """Some slot has a learning rate, weight decay or eps of its own, or none at all while others move."""
        plain = (law for slot, law in self.laws if not slot.is_extra)
        return any((law.lr, law.wd, law.eps) != (1, 1, 1) for _, law in self.laws) or any(
            not law.train for law in plain
        )

    @cached_property
    def needs(self) -> list[str]:
        """What a trainer must honour beyond drawing weights, derived from laws and topology."""
        topology, plain = self.topology, GPT2_TOPOLOGY
        norms = ("norm_at", "norm", "norm_gain", "embed_norm", "sub_norm", "qk_norm", "gainless")
        needed = {
            "weights": True,
            "multipliers": any(law.mult != 1 or slot.role in SCALE_ROLES for slot, law in self.laws),
            "scalar biases": any(slot.role == SCALAR_BIAS for slot, _ in self.laws),
            "norms": any(getattr(topology, name) != getattr(plain, name) for name in norms),
            "positions": topology.positions != plain.positions,
            "parallel block": topology.parallel,
            "logit soft-cap": topology.softcap is not None,
            "optimizer groups": self.moves_by_slot,
            "joint draws": any(law.joint for _, law in self.laws),
            "calibration batch": any(law.calibrated for _, law in self.laws),
        }
        return [name for name, is_needed in needed.items() if is_needed]

    def describe(self) -> str:
        """Return how the network differs from GPT-2's, for people; empty where it does not."""
        plain = asdict(GPT2_TOPOLOGY)
        differs = {name: value for name, value in asdict(self.topology).items() if value != plain[name]}
        named = [
            name.replace("_", " ") if value is True else f"{name} = {value}"
            for name, value in differs.items()
            if name not in SCALE_SHAPES
        ]
        return ", ".join([*named, *["untied"] * (not self.dims.tied)])

    def to_json(self) -> dict[str, Any]:
        """Return the resolved law table, part of a run's identity.

        Names of inits are no part of it, unless a hook does what the laws do not say.
        """
        return {
            "topology": self.topology.to_json(),
            "slots": {slot.name: law.to_json() for slot, law in self.laws},
            "hook": self.init if self.prepare else None,
        }

    @cached_property
    def digest(self) -> str:
        return content_hash(self.to_json())

    @cached_property
    def shape(self) -> str:
        """Equal for networks that differ in the laws of their slots alone: those train as lanes of one model."""
        names = [slot.name for slot, _ in self.laws]
        return content_hash({"dims": asdict(self.dims), "topology": self.topology.to_json(), "slots": names})

    def check(self, slots: Sequence[Slot]) -> None:
        """Raise InitlabError for a network that cannot be built or is degenerate, with the reason.

        ``slots`` are all that the network may have.
        """
        topology = self.topology
        needed = [slot for slot in slots if slot.is_weight or slot.role == RELATIVE_POSITION_BIAS]
        missing = [slot.name for slot in needed if slot.name not in self.network.shapes]
        if missing:
            raise InitlabError(
                f"init {self.init!r} gives no law to {missing[0]}, which the network cannot be without"
            )
        self._check_rotary()
        if topology.parallel_norms and not topology.parallel:
            raise InitlabError("parallel_norms = true is about a parallel block's branches; set parallel = true too")
        scaled = [slot.name for slot, _ in self.laws if slot.role == NORM_SCALE]
        if scaled and not topology.norm_before:
            raise InitlabError(
                f"init {self.init!r} scales what the norm in front of a branch puts out ({scaled[0]}), and "
                f"{setting('norm_at', topology.norm_at)} has no norm there; leave norm_at out, or take another init"
            )
        if topology.norm_branch:
            self._check_not_zero(RESIDUAL_WRITERS, setting("norm_at", topology.norm_at), "the output of every branch")
        if topology.qk_norm:
            self._check_not_zero({QUERY, KEY}, setting("qk_norm", True), "queries and keys")

    def _check_rotary(self) -> None:
        head, fraction = self.dims.head_size, self.topology.rotary_fraction
        turned = rotary_channels(head, fraction)
        if fraction != 1 and self.topology.positions != "rotary":
            at = setting("positions", self.topology.positions)
            raise InitlabError(f"rotary_fraction = {fraction:g} is about rotary positions, and the network has {at}")
        if self.topology.positions == "rotary" and (turned % 2 or not turned):
            part = "" if fraction == 1 else f", and rotary_fraction = {fraction:g} turns {turned}"
            raise InitlabError(
                f"rotary positions turn pairs of channels, but a head has n_embd / n_head = {head} of them{part}"
            )

    def _check_not_zero(self, roles: Set[Role], cause: str, what: str) -> None:
        """Raise InitlabError where a matrix of one of the roles gives a norm an exact zero, because of ``cause``."""
        silent = [slot.name for slot, law in self.laws if slot.role in roles and law.is_zero]
        if silent:
            raise InitlabError(
                f"{cause} normalises {what}, but init {self.init!r} starts {silent[0]} at zero: the norm of an exact "
                "zero is zero and its slope about 1/√eps, so the first step would explode"
            )


def merge(topology: Topology, settings: Mapping[str, Any], init: str) -> Topology:
    """Return the init's topology with a model's settings in it; None leaves a field to the init.

    Raises InitlabError where the init needs something else: its laws were made for it.
    """
    chosen = {name: value for name, value in settings.items() if value is not None}
    for name, value in chosen.items():
        needed = getattr(topology, name)
        if needed not in (getattr(GPT2_TOPOLOGY, name), value):
            raise InitlabError(
                f"init {init!r} needs {setting(name, needed)}, but the model sets {setting(name, value)}; "
                f"leave {name} out, or take another init"
            )
    return replace(topology, **chosen)
