"""The sizes and slots of a decoder, from the shapes of its tensors and what its config says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from initlab.adapters.adapter import ModelState, Slice
from initlab.adapters.tensor_names import Names
from initlab.errors import InitlabError
from initlab.network.slots import (
    ATTN_OUT,
    FFN_DOWN,
    FFN_INPUT_ROLES,
    FFN_UP,
    POSITION_EMBEDDING,
    QKV_ROLES,
    RESIDUAL_WRITERS,
    TOKEN_EMBEDDING,
    Slot,
    weight_name,
)
from initlab.network.topology import Dims

HEAD_SIZE = 64
"""That of every released GPT-2, assumed where no config says how many heads there are."""

BLOCK_SIZE = 1024
"""Assumed where neither a table nor a config says how long a context may be."""


@dataclass(frozen=True)
class DecoderShapes:
    """A model's tensors under its family's names; ``conv1d``: a block's matrices lie as (fan_in, fan_out)."""

    state: ModelState
    names: Names
    conv1d: bool

    def has(self, slot: str) -> bool:
        return self.names.tensor(slot) in self.state.shapes

    def matrix(self, slot: str) -> tuple[int, ...]:
        """Return the (fan_out, fan_in) of the tensor that holds a slot, all of it where it is shared; () for none."""
        shape = self.state.shapes.get(self.names.tensor(slot), ())
        return shape[::-1] if self.conv1d and slot.startswith("blocks.") else shape

    def problem(self) -> str | None:
        """Say which matrix the first block lacks or has in another layout, None where all are as the family has them.

        On the side that meets the stream a matrix is as wide as the token table's vectors are long.
        """
        width = self.matrix(weight_name(TOKEN_EMBEDDING))[-1]
        for role in (*QKV_ROLES, ATTN_OUT, *FFN_INPUT_ROLES, FFN_DOWN):
            if role not in self.names.inside:
                continue
            slot = weight_name(role, 0)
            shape, side = self.matrix(slot), 0 if role in RESIDUAL_WRITERS else 1
            if not shape:
                return f"it has no tensor {self.names.tensor(slot)}"
            if len(shape) != 2 or shape[side] != width:
                stored = self.state.shapes[self.names.tensor(slot)]
                return f"{self.names.tensor(slot)} has shape {stored}, which meets no stream of width {width}"
        return None

    def strangers(self, buffers: tuple[str, ...]) -> list[str]:
        """Return tensors of the first block that are none of the family's; ``buffers`` end names it may have."""
        block = self.names.root + self.names.block.format(0) + "."
        known = {self.names.tensor(f"blocks.0.{part}.{kind}") for part in self.names.inside for kind in KINDS}
        inside = [name for name in self.state.shapes if name.startswith(block)]
        return [name for name in inside if name not in known and not name.endswith(buffers)]

    def dims(self, settings: Mapping[str, str], *, gated: bool, tied: bool) -> tuple[Dims, dict[str, int]]:
        """Return the sizes, and those of them that had to be assumed.

        ``settings`` are the config's names of ``n_head`` and ``block_size``.
        """
        vocabulary, width = self.matrix(weight_name(TOKEN_EMBEDDING))
        assumed = {"n_head": max(1, width // HEAD_SIZE), "block_size": BLOCK_SIZE}
        config = self.state.config
        known = {ours: config[name] for ours, name in settings.items() if config.get(name) is not None}
        if POSITION_EMBEDDING in self.names.outside and (table := self.matrix(weight_name(POSITION_EMBEDDING))):
            known["block_size"] = table[0]
        dims = Dims(
            n_layer=self.names.layers(self.state.shapes),
            n_embd=width,
            vocab_size=vocabulary,
            ffn_hidden=self.matrix(weight_name(FFN_UP, 0))[0],
            bias=self._biased(),
            tied=tied,
            gated=gated,
            **{**assumed, **known},
        )
        return dims, {size: value for size, value in assumed.items() if size not in known}

    def _biased(self) -> bool:
        parts = [f"blocks.0.{part}" for part in self.names.inside]
        return any(self.has(f"{part}.bias") for part in (*parts, "final_norm"))

    def shaped(self, slots: Sequence[Slot], slices: Mapping[str, Slice]) -> tuple[Slot, ...]:
        """Return the slots in the shapes that their tensors have, such as fewer keys than queries.

        Raises InitlabError for a tensor whose shape no slot explains.
        """
        ends: dict[str, int] = {}
        for part in slices.values():
            ends[part.tensor] = max([ends.get(part.tensor, 0), *(end for _, end in part.outputs)])
        shaped: dict[str, Slot] = {}
        for slot in slots:
            shape = self._shape(slot, slices[slot.name], ends)
            matrix = shaped[weight_name(slot.of, slot.layer)].shape if slot.of else shape
            shaped[slot.name] = replace(slot, shape=shape, fan_out=matrix[0], fan_in=matrix[-1])
        return tuple(shaped.values())

    def _shape(self, slot: Slot, part: Slice, ends: Mapping[str, int]) -> tuple[int, ...]:
        stored = self.state.shapes[part.tensor]
        shape = stored[::-1] if part.transposed else stored
        if len(shape) != len(slot.shape):
            raise InitlabError(f"{part.tensor} has shape {stored}, expected {len(slot.shape)} axes for {slot.name}")
        if not part.outputs:
            return shape
        if shape[0] != ends[part.tensor]:
            raise InitlabError(
                f"{part.tensor} has {shape[0]} outputs, expected {ends[part.tensor]} for what it stacks, "
                f"{slot.name} among them"
            )
        return (sum(end - start for start, end in part.outputs), *shape[1:])


KINDS = ("weight", "bias")
