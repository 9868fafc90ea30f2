"""What families of decoders have in common: the shared GPT's blocks, under names and in layouts of their own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from initlab.adapters.adapter import Adapter, ModelState, SlotMap
from initlab.adapters.fold import unfoldable
from initlab.adapters.shapes import DecoderShapes
from initlab.adapters.tensor_names import Names, stacked
from initlab.errors import InitlabError
from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import Network, gpt_slots, plain_network
from initlab.network.slots import BIAS, LM_HEAD, NORM_BIAS, TOKEN_EMBEDDING, Slot, weight_name
from initlab.network.topology import Topology, setting

HELD = (
    *("norm_at", "norm", "positions", "rotary_fraction", "embed_norm", "sub_norm", "qk_norm"),
    *("parallel", "parallel_norms", "softcap"),
)
"""What of a topology must be the family's own; a one-plus gain and multipliers can be folded into tensors, and
gains that do not exist are ones."""


class Decoder(Adapter):
    """A family whose models are the shared GPT in one topology; what a family does not say is GPT-2's.

    ``settings`` are the config's names of ``n_head`` and ``block_size``, ``model_types`` what a Hugging Face config
    may call the family, ``buffers`` the ends of the names of a block's tensors that hold no slot. ``conv1d`` models
    keep a block's matrices as (fan_in, fan_out). ``tied`` is a model's head where nothing else says whether it is.
    """

    topology: ClassVar[Topology]
    names: ClassVar[Names]
    settings: ClassVar[Mapping[str, str]]
    model_types: ClassVar[frozenset[str]] = frozenset()
    buffers: ClassVar[tuple[str, ...]] = ()
    tied: ClassVar[bool] = True
    gated: ClassVar[bool] = False
    conv1d: ClassVar[bool] = False
    always_biased: ClassVar[bool] = False
    always_tied: ClassVar[bool] = False
    ffn_ratio: ClassVar[int | None] = None

    def topology_of(self, shapes: DecoderShapes) -> Topology:
        """Return the topology of a model that is read."""
        return self.topology

    def activation_of(self, config: Mapping[str, Any]) -> str | None:
        """Return our name of the activation of a model that is read, None where we have none."""
        return self.activation

    def recognises(self, state: ModelState) -> bool:
        shapes = self._shapes(state)
        if shapes is None or state.config.get("model_type") not in {None, *self.model_types}:
            return False
        return shapes.problem() is None and not shapes.strangers(self.buffers)

    def read(self, state: ModelState) -> SlotMap:
        shapes = self._shapes(state)
        if shapes is None:
            raise InitlabError(f"the model has no {self.names.outside[TOKEN_EMBEDDING]}.weight, or more than one")
        if (problem := shapes.problem()) is not None:
            raise InitlabError(f"the model is not {self.summary}: {problem}")
        dims, assumed = shapes.dims(self.settings, gated=self.gated, tied=self._is_tied(shapes))
        topology = self.topology_of(shapes)
        slots = _present(gpt_slots(dims, topology), shapes)
        slices = stacked(shapes.names, slots, conv1d=self.conv1d)
        network = Network(dims, topology, shapes.shaped(slots, slices))
        copies = self._copies(shapes.names, network)
        mapped = {*copies, *(part.tensor for part in slices.values())}
        return SlotMap(
            network=network,
            slices=slices,
            copies={copy: original for copy, original in copies.items() if copy in state.shapes},
            unmapped=tuple(name for name in state.shapes if name not in mapped),
            assumed=assumed,
            activation=self.activation_of(state.config),
        )

    def written(self, blueprint: Blueprint) -> SlotMap:
        dims = replace(blueprint.dims, bias=self.biased(blueprint))
        network = plain_network(dims, replace(blueprint.topology, norm_gain="plain", gainless=False))
        slices = stacked(self.names, network.slots, conv1d=self.conv1d)
        return SlotMap(network=network, slices=slices, copies=self._copies(self.names, network))

    def biased(self, blueprint: Blueprint) -> bool:
        """Return whether the model that a network is written as has biases."""
        return self.always_biased or any(slot.role in (BIAS, NORM_BIAS) for slot, _ in blueprint.laws)

    def misfit(self, blueprint: Blueprint, activation: str) -> str | None:
        dims = blueprint.dims
        for feature in HELD:
            theirs, ours = (getattr(topology, feature) for topology in (self.topology, blueprint.topology))
            if ours != theirs:
                return f"it has {setting(feature, theirs)}, the network {setting(feature, ours)}"
        if dims.gated != self.gated:
            ours, theirs = ("a", "no") if dims.gated else ("no", "a")
            return (
                f"its MLP has {theirs} gate, one with activation {activation!r} has {ours} gate: "
                f"leave --activation out for {self.activation}"
            )
        if self.always_tied and not dims.tied:
            return "it ties the head to the token embedding, which the network does not: --tied does"
        if self.ffn_ratio is not None and dims.ffn_hidden != self.ffn_ratio * dims.n_embd:
            return f"its MLP has {self.ffn_ratio} · n_embd hidden units, the network's {dims.ffn_hidden}"
        return unfoldable(blueprint)

    def _shapes(self, state: ModelState) -> DecoderShapes | None:
        names = self.names.located(state.shapes)
        return None if names is None else DecoderShapes(state, names, self.conv1d)

    def _is_tied(self, shapes: DecoderShapes) -> bool:
        """A head without a tensor of its own is tied; else its memory says so, or the config, or the family."""
        head = shapes.names.tensor(weight_name(LM_HEAD))
        if self.always_tied or head not in shapes.state.shapes or head in shapes.state.shared:
            return True
        return bool(shapes.state.config.get("tie_word_embeddings", self.tied))

    def _copies(self, names: Names, network: Network) -> dict[str, str]:
        """Trainers name a tied tensor twice."""
        head, table = (names.tensor(weight_name(role)) for role in (LM_HEAD, TOKEN_EMBEDDING))
        return {head: table} if network.dims.tied else {}


def _present(slots: tuple[Slot, ...], shapes: DecoderShapes) -> tuple[Slot, ...]:
    """Return the slots that a model has. Raises InitlabError where a matrix or table is missing."""
    for slot in slots:
        if slot.is_weight and not shapes.has(slot.name):
            raise InitlabError(f"the model has no tensor {shapes.names.tensor(slot.name)}")
    return tuple(slot for slot in slots if shapes.has(slot.name))
