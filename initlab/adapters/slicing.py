"""From somebody's tensors to slots and back, as a slot map says: the two are inverse to one another."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from initlab.adapters.adapter import Slice, SlotMap
from initlab.errors import InitlabError

if TYPE_CHECKING:
    from torch import Tensor


def to_slots(slot_map: SlotMap, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return the tensor of every slot by its name, of shape (fan_out, fan_in) where it is a matrix.

    Parts of one piece are views: what is written into them is written into the model. Raises InitlabError for a
    tensor that is missing.
    """
    return {name: take(state, part) for name, part in slot_map.slices.items()}


def take(state: "Mapping[str, Tensor]", part: Slice) -> "Tensor":
    """Return one slot's tensor, a view where it is of one piece."""
    import torch  # whoever only plans needs no torch

    if part.tensor not in state:
        raise InitlabError(f"the model has no tensor {part.tensor}")
    tensor = state[part.tensor].T if part.transposed else state[part.tensor]
    if not part.outputs:
        return tensor
    pieces = [tensor[start:end] for start, end in part.outputs]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def from_slots(slot_map: SlotMap, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return the model's tensors by their names, copies among them; what held no slot is not.

    Tensors of one slot may share its memory; a copy has memory of its own, since a safetensors file holds no tensor
    under two names.
    """
    sharing: dict[str, list[tuple[Slice, Tensor]]] = defaultdict(list)
    for name, part in slot_map.slices.items():
        sharing[part.tensor].append((part, tensors[name]))
    state = {name: _joined(parts) for name, parts in sharing.items()}
    return state | {name: state[original].clone() for name, original in slot_map.copies.items()}


def _joined(parts: "list[tuple[Slice, Tensor]]") -> "Tensor":
    """Return one tensor from the slots that it holds, their outputs in the order in which they lie."""
    import torch  # whoever only plans needs no torch

    pieces: list[tuple[int, Tensor]] = []
    for part, slot in parts:
        if not part.outputs:
            pieces.append((0, slot))
        taken = 0
        for start, end in part.outputs:
            pieces.append((start, slot[taken : taken + end - start]))
            taken += end - start
    ordered = [piece for _, piece in sorted(pieces, key=lambda item: item[0])]
    joined = torch.cat(ordered) if len(ordered) > 1 else ordered[0]
    return joined.T if parts[0][0].transposed else joined
