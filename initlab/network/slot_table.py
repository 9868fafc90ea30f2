"""The slots of the shared GPT, from its sizes and topology alone.

Planning and theory need them without torch; the model builds its parameters from the same table, so the two
cannot drift apart.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias

from initlab.network.slots import (
    ATTN_OUT,
    ATTN_SCALE,
    BIAS,
    BRANCH_SCALE,
    EMBED_SCALE,
    FFN_DOWN,
    FFN_GATE,
    FFN_UP,
    LM_HEAD,
    LOGIT_SCALE,
    MATRIX_SCALE,
    NORM_BIAS,
    NORM_GAIN,
    NORM_SCALE,
    POSITION_EMBEDDING,
    QKV_ROLES,
    RELATIVE_POSITION_BIAS,
    SCALAR_BIAS,
    SKIP_SCALE,
    TOKEN_EMBEDDING,
    Role,
    Slot,
    block_prefix,
)
from initlab.network.topology import GPT2_TOPOLOGY, Dims, Topology

Branch: TypeAlias = "tuple[int, int] | None"
"""A block's number and a residual branch's, None outside the blocks."""

NORM_EPS = 1e-5
ROTARY_BASE = 10_000.0
RELATIVE_BUCKETS = 32
"""Distances a T5 relative position bias tells apart (Mesh TensorFlow's default, Raffel et al., arXiv 1910.10683)."""


def rotary_channels(head_size: int, fraction: float) -> int:
    """Return how many of a head's channels rotary positions turn: whole ones, as gpt-neox and its heirs count."""
    return int(head_size * fraction)


@dataclass(frozen=True)
class Network:
    """What a model is built from: sizes, topology, and the slots that exist."""

    dims: Dims
    topology: Topology
    slots: tuple[Slot, ...]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {slot.name: slot.shape for slot in self.slots}

    @cached_property
    def n_parameters(self) -> int:
        """The entries of all slots; a tied tensor is one slot and counts once."""
        return sum(math.prod(slot.shape) for slot in self.slots)

    @cached_property
    def matmul_flops_per_token(self) -> int:
        """Operations of one token's matrix products in a forward pass over a full context.

        2 for every entry of a matrix that multiplies activations (a tied table once, as the head), and 4·T a channel
        and layer for attention's two products, masked entries included (PaLM, arXiv 2204.02311, appendix B).
        """
        matrices = sum(math.prod(slot.shape) for slot in self.slots if slot.is_linear)
        channels = sum(slot.fan_in for slot in self.slots if slot.role == ATTN_OUT)
        return 2 * matrices + 4 * self.dims.block_size * channels


SlotTable: TypeAlias = Callable[[Dims, Topology], tuple[Slot, ...]]
"""The slots that networks of some kind may have, in the order of the forward pass: an init gives each its law, or
says that it does not exist."""


def plain_network(dims: Dims, topology: Topology = GPT2_TOPOLOGY) -> Network:
    """Return the network without multipliers."""
    return Network(dims, topology, gpt_slots(dims, topology))


@lru_cache(maxsize=256)
def gpt_slots(dims: Dims, topology: Topology = GPT2_TOPOLOGY) -> tuple[Slot, ...]:
    """Return every slot of a plain GPT in the order in which the forward pass meets it."""
    return tuple(slot for slot in possible_slots(dims, topology) if not slot.is_extra)


@lru_cache(maxsize=256)
def possible_slots(dims: Dims, topology: Topology) -> tuple[Slot, ...]:
    """Return those of a plain GPT and every multiplier and scalar bias that an init may add."""
    return tuple(_Table(dims, topology).all())


def table_of(network: Network) -> SlotTable:
    """Return the slot table of a network whose slots are not the shared GPT's, such as one read from a file.

    They keep their own shapes, and beside them stand the multipliers that an init may add. What else a GPT of those
    sizes would have does not exist.
    """
    own = {slot.name: slot for slot in network.slots}

    def table(dims: Dims, topology: Topology) -> tuple[Slot, ...]:
        usual = [own.get(slot.name, slot) for slot in possible_slots(dims, topology)]
        matrices = {(slot.role, slot.layer): slot for slot in network.slots if slot.is_weight}
        slots = [_beside(matrices, slot) for slot in usual if slot.name in own or slot.is_extra]
        names = {slot.name for slot in slots}
        slots += [slot for slot in network.slots if slot.name not in names]
        return tuple(replace(slot, dims=dims) for slot in slots)

    return table


def _beside(matrices: Mapping[tuple[Role, int | None], Slot], slot: Slot) -> Slot:
    """Return a multiplier that belongs to a matrix with the matrix's own fans."""
    matrix = matrices.get((slot.of, slot.layer)) if slot.of and slot.is_extra else None
    return replace(slot, fan_in=matrix.fan_in, fan_out=matrix.fan_out) if matrix else slot


class _Table:
    """Yields slots; every method answers for one part of the network."""

    def __init__(self, dims: Dims, topology: Topology) -> None:
        self._dims, self._topology = dims, topology

    def all(self) -> Iterator[Slot]:
        dims, width = self._dims, self._dims.n_embd
        tied: tuple[Role, ...] = (LM_HEAD,) if dims.tied else ()
        yield from self._matrix(TOKEN_EMBEDDING, TOKEN_EMBEDDING, (dims.vocab_size, width), aliases=tied)
        yield self._scalar("embed_scale.weight", EMBED_SCALE)
        if self._topology.positions == "learned":
            yield from self._matrix(POSITION_EMBEDDING, POSITION_EMBEDDING, (dims.block_size, width))
        if self._topology.positions == "relative":
            yield self._slot("relative_position_bias.weight", RELATIVE_POSITION_BIAS, (RELATIVE_BUCKETS, dims.n_head))
        if self._topology.embed_norm:
            yield from self._norm("embed_norm", width)
        for layer in range(dims.n_layer):
            yield from self._block(layer)
        if self._topology.final_norm:
            yield from self._norm("final_norm", width)
        yield self._scalar("logit_scale.weight", LOGIT_SCALE)
        if not dims.tied:
            yield from self._linear(LM_HEAD, LM_HEAD, (dims.vocab_size, width), bias=False)

    def _block(self, layer: int) -> Iterator[Slot]:
        dims, topology, prefix = self._dims, self._topology, block_prefix(layer)
        width, hidden = dims.n_embd, dims.ffn_hidden
        attention, ffn = (layer, 2 * layer), (layer, 2 * layer + 1)
        yield from self._before(f"{prefix}.attn", attention)
        for role in QKV_ROLES:
            yield from self._linear(f"{prefix}.{role}", role, (width, width), attention)
        if topology.qk_norm:
            yield from self._norm(f"{prefix}.query_norm", dims.head_size, attention)
            yield from self._norm(f"{prefix}.key_norm", dims.head_size, attention)
        yield self._scalar(f"{prefix}.attn_scale.weight", ATTN_SCALE, attention)
        if topology.sub_norm:
            yield from self._norm(f"{prefix}.attn_sub_norm", width, attention)
        yield from self._linear(f"{prefix}.attn_out", ATTN_OUT, (width, width), attention)
        yield from self._after(f"{prefix}.attn", attention)
        yield from self._before(f"{prefix}.ffn", ffn)
        if dims.gated:
            yield from self._linear(f"{prefix}.ffn_gate", FFN_GATE, (hidden, width), ffn)
        yield from self._linear(f"{prefix}.ffn_up", FFN_UP, (hidden, width), ffn)
        yield self._scalar(f"{prefix}.ffn_shift.weight", SCALAR_BIAS, ffn)
        if topology.sub_norm:
            yield from self._norm(f"{prefix}.ffn_sub_norm", hidden, ffn)
        yield from self._linear(f"{prefix}.ffn_down", FFN_DOWN, (width, hidden), ffn)
        yield from self._after(f"{prefix}.ffn", ffn)

    def _before(self, prefix: str, branch: tuple[int, int]) -> Iterator[Slot]:
        """What a branch's input passes; the MLP of a parallel block may read what attention reads."""
        if not self._topology.reads_alone(prefix):
            return
        if self._topology.norm_before:
            yield from self._norm(f"{prefix}.norm", self._dims.n_embd, branch)
        yield self._scalar(f"{prefix}.norm_scale.weight", NORM_SCALE, branch)

    def _after(self, prefix: str, branch: tuple[int, int]) -> Iterator[Slot]:
        """What a branch's output passes on its way into the stream."""
        topology, width = self._topology, self._dims.n_embd
        channels = (width,) if topology.channel_scales else ()
        if topology.norm_branch:
            yield from self._norm(f"{prefix}.branch_norm", width, branch)
        if not topology.shared_scales:
            yield self._scalar(f"{prefix}.branch_scale.weight", BRANCH_SCALE, branch, shape=channels)
        elif prefix.endswith("attn"):
            shared = f"{prefix.removesuffix('.attn')}.branch_scale.weight"
            yield self._scalar(shared, BRANCH_SCALE, branch, shape=channels)
        yield self._scalar(f"{prefix}.skip_scale.weight", SKIP_SCALE, branch, shape=channels)
        if topology.norm_after:
            yield from self._norm(f"{prefix}.post_norm", width, branch)

    def _linear(
        self, prefix: str, role: Role, shape: tuple[int, int], branch: Branch = None, bias: bool = True
    ) -> Iterator[Slot]:
        yield self._slot(f"{prefix}.shift", SCALAR_BIAS, (), branch, of=role, fans=shape)
        yield from self._matrix(prefix, role, shape, branch)
        if bias and self._dims.bias:
            yield self._slot(f"{prefix}.bias", BIAS, shape[:1], branch, of=role, fans=shape)

    def _matrix(
        self, prefix: str, role: Role, shape: tuple[int, int], branch: Branch = None, aliases: tuple[Role, ...] = ()
    ) -> Iterator[Slot]:
        yield self._slot(f"{prefix}.weight", role, shape, branch, aliases=aliases, fans=shape)
        yield self._slot(f"{prefix}.scale", MATRIX_SCALE, (), branch, of=role, fans=shape)

    def _norm(self, prefix: str, width: int, branch: Branch = None) -> Iterator[Slot]:
        if self._topology.gainless:
            return
        yield self._slot(f"{prefix}.weight", NORM_GAIN, (width,), branch)
        if self._dims.bias and self._topology.norm == "layernorm":
            yield self._slot(f"{prefix}.bias", NORM_BIAS, (width,), branch)

    def _scalar(self, name: str, role: Role, branch: Branch = None, shape: tuple[int, ...] = ()) -> Slot:
        return self._slot(name, role, shape, branch)

    def _slot(
        self,
        name: str,
        role: Role,
        shape: tuple[int, ...],
        branch: Branch = None,
        *,
        of: Role | None = None,
        aliases: tuple[Role, ...] = (),
        fans: tuple[int, int] | None = None,
    ) -> Slot:
        """``fans`` is (fan_out, fan_in); a slot that belongs to no matrix has its own width for both."""
        width = shape[-1] if shape else self._dims.n_embd
        fan_out, fan_in = fans or (width, width)
        layer, number = branch or (None, None)
        return Slot(
            name=name,
            role=role,
            shape=shape,
            fan_in=fan_in,
            fan_out=fan_out,
            dims=self._dims,
            layer=layer,
            branch=number,
            of=of,
            aliases=aliases,
        )
