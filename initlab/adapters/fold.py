"""From a network with multipliers to the same function without: each fixed one goes into the tensor beside it.

Exact at init, up to rounding. Afterwards the function is the same and training is not: a tensor c times as large
takes steps that are smaller against its size. So whatever is folded is told to the user.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from initlab.network.blueprint import Blueprint, Tensors
from initlab.network.slot_table import gpt_slots
from initlab.network.slots import Slot

Fold: TypeAlias = Callable[[Tensors, Slot, Tensor], None]
"""Works a multiplier's value into the tensors of the plain network, in place."""


def folded(blueprint: Blueprint, tensors: Tensors, *, bias: bool) -> tuple[Tensors, list[str]]:
    """Return the tensors of the network without multipliers that is the same function, and what was folded.

    The plain network has every gain, and every bias if ``bias``; what the blueprint lacks of them is the identity.
    Only for a network whose multipliers are all fixed and foldable.
    """
    plain, done = _plain(blueprint, tensors, bias)
    for slot, law in blueprint.laws:
        if slot.role in FOLDS:
            FOLDS[slot.role](plain, slot, tensors[slot.name] * law.mult)
            done.append(slot.role)
    return plain, list(dict.fromkeys(done))


def added(blueprint: Blueprint, plain: Tensors) -> list[str]:
    """Return the kinds of tensors that the plain network has and the blueprint lacks."""
    slots = {slot.name for slot, _ in blueprint.laws}
    kinds = {"gains" if name.endswith("weight") else "biases" for name in plain if name not in slots}
    return sorted(kinds)


def _plain(blueprint: Blueprint, tensors: Tensors, bias: bool) -> tuple[Tensors, list[str]]:
    """Return the plain network's tensors before any multiplier slot, and whether forward factors are in them.

    A one-plus gain becomes a plain one: the same numbers, counted from another origin, and the same steps.
    """
    laws = {slot.name: law for slot, law in blueprint.laws}
    topology = blueprint.topology
    offset = 1.0 if topology.norm_gain == "one-plus" else 0.0
    dtype = next(iter(tensors.values())).dtype
    plain, done = {}, []
    for slot in gpt_slots(replace(blueprint.dims, bias=bias), topology):
        if slot.name not in laws:
            plain[slot.name] = torch.full(slot.shape, float(slot.role == "norm_gain"), dtype=dtype)
            continue
        mult = laws[slot.name].mult
        plain[slot.name] = tensors[slot.name] * mult + (offset if slot.role == "norm_gain" else 0.0)
        done += ["mult"] * (mult != 1)
    return plain, done


def _matrix_scale(plain: Tensors, slot: Slot, value: Tensor) -> None:
    plain[f"{slot.name.removesuffix('.scale')}.weight"] *= value


def _embed_scale(plain: Tensors, slot: Slot, value: Tensor) -> None:
    """A tied head would grow with the table: the norm before it shrinks instead."""
    plain["token_embedding.weight"] *= value
    if slot.dims.tied:
        _times(plain, "final_norm", 1 / value)


def _logit_scale(plain: Tensors, slot: Slot, value: Tensor) -> None:
    _times(plain, "final_norm" if slot.dims.tied else "lm_head", value)


def _attn_scale(plain: Tensors, slot: Slot, value: Tensor) -> None:
    """The plain network divides by the root of the head size."""
    _times(plain, f"blocks.{slot.layer}.query", value * math.sqrt(slot.dims.head_size))


def _norm_scale(plain: Tensors, slot: Slot, value: Tensor) -> None:
    _times(plain, slot.name.removesuffix("_scale.weight"), value)


def _branch_scale(plain: Tensors, slot: Slot, value: Tensor) -> None:
    writers = {"attn": ("attn_out",), "ffn": ("ffn_down",), f"{slot.layer}": ("attn_out", "ffn_down")}
    for writer in writers[slot.name.split(".")[-3]]:
        _times(plain, f"blocks.{slot.layer}.{writer}", value)


def _times(plain: Tensors, module: str, value: Tensor) -> None:
    """Multiply a module's output: the rows of its matrix, or its gain, and its bias."""
    weight = plain[f"{module}.weight"]
    weight *= value[:, None] if value.ndim and weight.ndim == 2 else value
    if f"{module}.bias" in plain:
        plain[f"{module}.bias"] *= value


FOLDS: dict[str, Fold] = {
    "matrix_scale": _matrix_scale,
    "embed_scale": _embed_scale,
    "logit_scale": _logit_scale,
    "attn_scale": _attn_scale,
    "norm_scale": _norm_scale,
    "branch_scale": _branch_scale,
}
