"""From a network with multipliers to the same function without: each fixed one goes into the tensor beside it.

Exact at init, up to rounding. Afterwards the function is the same and training is not: a tensor c times as large
takes steps that are smaller against its size. So whatever is folded is told to the user.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from initlab.network.blueprint import Blueprint, Tensors
from initlab.network.slot_table import Network
from initlab.network.slots import (
    ATTN_OUT,
    ATTN_SCALE,
    BRANCH_SCALE,
    EMBED_SCALE,
    FFN_DOWN,
    LM_HEAD,
    LOGIT_SCALE,
    MATRIX_SCALE,
    NORM_GAIN,
    NORM_SCALE,
    QUERY,
    RESIDUAL_WRITERS,
    TOKEN_EMBEDDING,
    Slot,
    block_prefix,
    weight_name,
)

if TYPE_CHECKING:
    from torch import Tensor

Fold: TypeAlias = "Callable[[Tensors, Slot, Tensor], None]"
"""Works a multiplier's value into the tensors of the plain network, in place."""


def folded(blueprint: Blueprint, tensors: Tensors, plain: Network) -> tuple[Tensors, list[str]]:
    """Return the tensors of a network without multipliers that is the same function, and what was folded.

    Gains and biases of ``plain`` that the blueprint lacks are the identity. Only for a network whose multipliers are
    all fixed and foldable (see :func:`unfoldable`).
    """
    state, done = _before_multipliers(blueprint, tensors, plain)
    for slot, law in blueprint.laws:
        if slot.role in FOLDS:
            FOLDS[slot.role](state, slot, tensors[slot.name] * law.mult)
            done.append(slot.role)
    return state, list(dict.fromkeys(done))


def unfoldable(blueprint: Blueprint) -> str | None:
    """Say which multiplier cannot be folded: one that is trained, or that no tensor could take up.

    One on the skip path, or a bias before a matrix, has nowhere to go.
    """
    for slot, law in blueprint.laws:
        if slot.is_extra and slot.role not in FOLDS:
            return f"the network has {slot.name}, a {slot.role}, which no other tensor can take up"
        if slot.is_extra and law.train:
            return f"the network trains {slot.name}, a {slot.role}, which the format has no tensor for"
    return None


def added(blueprint: Blueprint, plain: Network) -> list[str]:
    """Return the kinds of tensors that the plain network has and the blueprint lacks."""
    named = blueprint.network.shapes
    return sorted({"gains" if s.role == NORM_GAIN else "biases" for s in plain.slots if s.name not in named})


def _before_multipliers(blueprint: Blueprint, tensors: Tensors, plain: Network) -> tuple[Tensors, list[str]]:
    """Return the plain network's tensors before any multiplier slot, and whether forward factors are in them.

    A one-plus gain becomes a plain one: the same numbers, counted from another origin, and the same steps.
    """
    laws = {slot.name: law for slot, law in blueprint.laws}
    offset = 1.0 if blueprint.topology.norm_gain == "one-plus" else 0.0
    like = next(iter(tensors.values()))
    state, done = {}, []
    for slot in plain.slots:
        if slot.name not in laws:
            state[slot.name] = like.new_full(slot.shape, float(slot.role == NORM_GAIN))
            continue
        mult = laws[slot.name].mult
        state[slot.name] = tensors[slot.name] * mult + (offset if slot.role == NORM_GAIN else 0.0)
        done += ["mult"] * (mult != 1)
    return state, done


def _matrix_scale(state: Tensors, slot: Slot, value: "Tensor") -> None:
    state[f"{slot.name.removesuffix('.scale')}.weight"] *= value


def _embed_scale(state: Tensors, slot: Slot, value: "Tensor") -> None:
    """A tied head would grow with the table: the norm before it shrinks instead."""
    state[weight_name(TOKEN_EMBEDDING)] *= value
    if slot.dims.tied:
        _times(state, "final_norm", 1 / value)


def _logit_scale(state: Tensors, slot: Slot, value: "Tensor") -> None:
    _times(state, "final_norm" if slot.dims.tied else LM_HEAD, value)


def _attn_scale(state: Tensors, slot: Slot, value: "Tensor") -> None:
    """The plain network divides by the root of the head size."""
    _times(state, f"{_block(slot)}.{QUERY}", value * math.sqrt(slot.dims.head_size))


def _norm_scale(state: Tensors, slot: Slot, value: "Tensor") -> None:
    _times(state, slot.name.removesuffix("_scale.weight"), value)


def _branch_scale(state: Tensors, slot: Slot, value: "Tensor") -> None:
    """The matrix that writes the branch grows; both of a block's do where they share their multiplier."""
    writers = {f"{_block(slot)}.attn": (ATTN_OUT,), f"{_block(slot)}.ffn": (FFN_DOWN,)}
    for writer in writers.get(slot.name.removesuffix(f".{BRANCH_SCALE}.weight"), RESIDUAL_WRITERS):
        _times(state, f"{_block(slot)}.{writer}", value)


def _block(slot: Slot) -> str:
    assert slot.layer is not None  # multipliers of this kind exist inside blocks alone
    return block_prefix(slot.layer)


def _times(state: Tensors, module: str, value: "Tensor") -> None:
    """Multiply a module's output: the rows of its matrix, or its gain, and its bias."""
    weight = state[f"{module}.weight"]
    weight *= value[:, None] if value.ndim and weight.ndim == 2 else value
    if f"{module}.bias" in state:
        state[f"{module}.bias"] *= value


FOLDS: dict[str, Fold] = {
    MATRIX_SCALE: _matrix_scale,
    EMBED_SCALE: _embed_scale,
    LOGIT_SCALE: _logit_scale,
    ATTN_SCALE: _attn_scale,
    NORM_SCALE: _norm_scale,
    BRANCH_SCALE: _branch_scale,
}
"""The multipliers that a tensor beside them can take up."""
