"""Inits that draw several matrices together. Hooks run in a process that has torch; this module imports none."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initlab.errors import InitlabError
from initlab.inits.compose import changed, normal, role_in
from initlab.inits.strategy import Strategy, init
from initlab.network.blueprint import HookContext, Tensors
from initlab.network.laws import Law
from initlab.network.slots import (
    ATTENTION_ROLES,
    ATTN_OUT,
    FFN_DOWN,
    FFN_UP,
    QKV_ROLES,
    QUERY,
    VALUE,
    Slot,
    weight_name,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def _jointly(slot: Slot, law: Law) -> Law:
    return replace(law, joint=True)


@init("mimetic", source="Trockman & Kolter, arXiv 2305.09828, section 4", status="unverified")
def mimetic(
    alpha_qk: float = 0.7,
    beta_qk: float = 0.7,
    alpha_vo: float = 0.4,
    beta_vo: float = 0.4,
    positive_vo: bool = False,
) -> Strategy:
    """Attention that starts as trained attention looks: query-key products near +I, value-output products near -I.

    Each head's W_Qᵀ W_K is the best approximation of its rank to α·Z + β·I with noise Z of variance 1/d; a layer's
    W_O W_V is α·Z - β·I. The constants are those for vision transformers; language models are said to show other
    signs, which ``positive_vo`` lets one try. No official code was found; the formulas are those of two independent
    re-implementations.
    """

    def prepare(tensors: Tensors, context: HookContext) -> Tensors:
        dims, drawn = context.blueprint.dims, dict(tensors)
        sign = 1.0 if positive_vo else -1.0
        for layer in range(dims.n_layer):
            names = {role: weight_name(role, layer) for role in (*QKV_ROLES, ATTN_OUT)}
            if any(tensors[name].shape != (dims.n_embd, dims.n_embd) for name in names.values()):
                raise InitlabError("mimetic pairs every query head with keys of its own: it needs square matrices")
            streams = {role: context.generator(name) for role, name in names.items()}
            heads = [
                _factors(_target(dims.n_embd, alpha_qk, beta_qk, streams[QUERY]), dims.head_size)
                for _ in range(dims.n_head)
            ]
            values = _factors(_target(dims.n_embd, alpha_vo, sign * beta_vo, streams[VALUE]), dims.n_embd)
            matrices = (
                *(_stack([head[side] for head in heads]) for side in (0, 1)),
                values[1],
                values[0].mT.contiguous(),
            )
            for name, tensor in zip(names.values(), matrices, strict=True):
                drawn[name] = tensor.to(tensors[name].dtype)
        return drawn

    return Strategy(changed(normal(0.02), role_in(*ATTENTION_ROLES), _jointly), prepare=prepare)


def _target(width: int, alpha: float, beta: float, generator: "torch.Generator") -> "Tensor":
    """Return α·Z + β·I in float64, Z uniform with variance 1/width."""
    import torch

    bound = math.sqrt(3 / width)
    noise = (torch.rand(width, width, generator=generator, dtype=torch.float64) * 2 - 1) * bound
    return alpha * noise + beta * torch.eye(width, dtype=torch.float64)


def _factors(matrix: "Tensor", rank: int) -> "tuple[Tensor, Tensor]":
    """Return (A, B), each (rank, width), with AᵀB the best approximation of ``matrix`` of that rank."""
    import torch

    u, s, vh = torch.linalg.svd(matrix)
    root = s[:rank].sqrt()[:, None]
    return root * u[:, :rank].mT, root * vh[:rank]


def _stack(blocks: "list[Tensor]") -> "Tensor":
    import torch

    return torch.cat(blocks)


@init(
    "looks-linear",
    source="Balduzzi et al., arXiv 1702.08591, section 4; LiyuanLucasLiu/Transformer-Clinic (looklinear)",
)
def looks_linear(std: float = 0.02) -> Strategy:
    """MLPs that start as linear maps: the second half of the hidden units is the first with all signs turned.

    f(z) - f(-z) = z for ReLU and also for GELU and SiLU. Everything else is GPT-2's. A gated MLP has no such pairing.
    """

    def paired(slot: Slot, law: Law) -> Law:
        if slot.dims.gated or slot.dims.ffn_hidden % 2:
            raise InitlabError("looks-linear pairs hidden units: it needs an even number of them and no gate")
        return _jointly(slot, law)

    def prepare(tensors: Tensors, context: HookContext) -> Tensors:
        drawn = dict(tensors)
        for slot, _ in context.blueprint.laws:
            if slot.role in (FFN_UP, FFN_DOWN):
                drawn[slot.name] = _mirrored(tensors[slot.name], axis=0 if slot.role == FFN_UP else 1)
        return drawn

    return Strategy(changed(normal(std), role_in(FFN_UP, FFN_DOWN), paired), prepare=prepare)


def _mirrored(matrix: "Tensor", axis: int) -> "Tensor":
    mirrored, half = matrix.clone(), matrix.shape[axis] // 2
    mirrored.narrow(axis, half, half).copy_(-matrix.narrow(axis, 0, half))
    return mirrored
