"""Inits that look at data: one forward pass on a batch before step 0.

Hooks run in a process that has torch; this module itself imports none.
"""

from collections import Counter
from typing import TYPE_CHECKING

from initlab.inits.compose import changed, for_each, override, weights
from initlab.inits.strategy import Strategy, init
from initlab.network.blueprint import HookContext, Tensors
from initlab.network.laws import Law, Normal, Orthogonal
from initlab.network.slots import (
    HIDDEN_ROLES,
    LM_HEAD,
    SKIP_SCALE,
    Slot,
    weight_name,
)
from initlab.network.taps import ATTN_BRANCH, LOGITS, MLP_BRANCH, RESIDUAL, TAPS

if TYPE_CHECKING:
    from torch import Tensor


def unit_outputs(tensors: Tensors, context: HookContext) -> Tensors:
    """Rescale every matrix so that its output on the batch has unit standard deviation, in the order they are met.

    Mishkin & Matas, arXiv 1511.06422, algorithm 1. Outputs are linear in the matrix, so one division is exact and
    what comes later sees the rescaled output: one pass does what the algorithm iterates for.
    """
    rescaled, layers = dict(tensors), Counter[str]()

    def tap(name: str, x: "Tensor") -> "Tensor":
        role = TAPS[name].matrix
        if name == LOGITS and weight_name(LM_HEAD) in rescaled:
            weight = weight_name(LM_HEAD)
        elif role is not None:
            weight = weight_name(role, layers[name])
            layers[name] += 1
        else:
            return x
        spread = x.std()
        if spread <= 0:
            return x
        rescaled[weight] = tensors[weight] / spread
        return x / spread

    context.forward(tensors, tap)
    return rescaled


def profile_skips(tensors: Tensors, context: HookContext) -> Tensors:
    """Set each skip multiplier ω to the root of the variance that entered the norm of the branch before it.

    Liu et al., arXiv 2004.08249, section 4.1, as LiyuanLucasLiu/Transformer-Clinic computes it: ω is 1 for the first
    branch, and after branch b the next is √(Var[ω·x] + Var[f(x)]), over all entries. The network reads a multiplier
    when it meets it, so writing them as the pass goes on is enough.
    """
    names = [slot.name for slot, _ in context.blueprint.laws if slot.role == SKIP_SCALE]
    skips = [tensors[name].clone() for name in names]
    profiled = {**tensors, **dict(zip(names, skips, strict=True))}
    branches = 0
    stream: list[Tensor] = []

    def tap(name: str, x: "Tensor") -> "Tensor":
        nonlocal branches
        if name == RESIDUAL:
            stream[:] = [x]
        elif name in (ATTN_BRANCH, MLP_BRANCH):
            variance = (skips[branches] * stream[0]).var(correction=0) + x.var(correction=0)
            branches += 1
            if branches < len(skips):
                skips[branches].fill_(variance.sqrt())
        return x

    context.forward(profiled, tap)
    return profiled


@init("lsuv", source="Mishkin & Matas, arXiv 1511.06422, algorithm 1; ducha-aiki/LSUV-pytorch")
def lsuv() -> Strategy:
    """Orthogonal matrices, each rescaled on a batch until its output has unit variance, from the first to the last.

    The stream then grows by one unit of variance a branch. Tables and a tied head keep GPT-2's law: the paper has
    none for them.
    """

    def orthonormal(slot: Slot) -> Orthogonal:
        return Orthogonal(max(slot.shape) ** -0.5)

    base = override(weights(lambda slot: Normal(0.02)), for_each((*HIDDEN_ROLES, LM_HEAD), orthonormal))
    return Strategy(changed(base, _is_matrix, _calibrated), prepare=unit_outputs)


def _is_matrix(slot: Slot) -> bool:
    return slot.is_hidden or slot.role == LM_HEAD


def _calibrated(slot: Slot, law: Law) -> Law:
    return Law(dist=law.dist, calibrated=True)
