"""Inits that look at data: one forward pass on a batch before step 0.

Hooks run in a process that has torch; this module itself imports none.
"""

from collections import Counter
from typing import TYPE_CHECKING

from initlab.inits.compose import changed, for_each, override, weights
from initlab.inits.strategy import Strategy, init
from initlab.network.blueprint import Setting, Tensors
from initlab.network.laws import Law, Normal, Orthogonal
from initlab.network.slots import (
    ATTN_OUT,
    FFN_DOWN,
    FFN_GATE,
    FFN_UP,
    HIDDEN_ROLES,
    KEY,
    LM_HEAD,
    QUERY,
    SKIP_SCALE,
    VALUE,
    Role,
    Slot,
    weight_name,
)

if TYPE_CHECKING:
    from torch import Tensor

PLACES: dict[str, Role] = {
    "query": QUERY,
    "key": KEY,
    "value": VALUE,
    "attn_projection": ATTN_OUT,
    "ffn_gate": FFN_GATE,
    "ffn_up": FFN_UP,
    "ffn_projection": FFN_DOWN,
}
"""Where the network shows a matrix's output, and that matrix."""


def unit_outputs(tensors: Tensors, setting: Setting) -> Tensors:
    """Rescale every matrix so that its output on the batch has unit standard deviation, in the order they are met.

    Mishkin & Matas, arXiv 1511.06422, algorithm 1. Outputs are linear in the matrix, so one division is exact and
    what comes later sees the rescaled output: one pass does what the algorithm iterates for.
    """
    rescaled, layers = dict(tensors), Counter[str]()

    def tap(place: str, x: "Tensor") -> "Tensor":
        if place == "logits" and weight_name(LM_HEAD) in rescaled:
            name = weight_name(LM_HEAD)
        elif place in PLACES:
            name = weight_name(PLACES[place], layers[place])
            layers[place] += 1
        else:
            return x
        spread = x.std()
        if spread <= 0:
            return x
        rescaled[name] = tensors[name] / spread
        return x / spread

    setting.forward(tensors, tap)
    return rescaled


def profile_skips(tensors: Tensors, setting: Setting) -> Tensors:
    """Set each skip multiplier ω to the root of the variance that entered the norm of the branch before it.

    Liu et al., arXiv 2004.08249, section 4.1, as LiyuanLucasLiu/Transformer-Clinic computes it: ω is 1 for the first
    branch, and after branch b the next is √(Var[ω·x] + Var[f(x)]), over all entries. The network reads a multiplier
    when it meets it, so writing them as the pass goes on is enough.
    """
    names = [slot.name for slot, _ in setting.blueprint.laws if slot.role == SKIP_SCALE]
    skips = [tensors[name].clone() for name in names]
    profiled = {**tensors, **dict(zip(names, skips, strict=True))}
    branches = 0
    stream: list[Tensor] = []

    def tap(place: str, x: "Tensor") -> "Tensor":
        nonlocal branches
        if place == "residual":
            stream[:] = [x]
        elif place in ("attn_branch", "mlp_branch"):
            variance = (skips[branches] * stream[0]).var(correction=0) + x.var(correction=0)
            branches += 1
            if branches < len(skips):
                skips[branches].fill_(variance.sqrt())
        return x

    setting.forward(profiled, tap)
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
