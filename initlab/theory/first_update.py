"""How large Adam's first step is, slot by slot, against the weights it moves."""

import math

from initlab.network.blueprint import Blueprint
from initlab.network.laws import Law
from initlab.network.slots import BIAS, BRANCH_SCALE, KEY, LM_HEAD, RESIDUAL_WRITERS, SKIP_SCALE, Slot


def update_ratios(blueprint: Blueprint, lr: float) -> dict[str, float]:
    """Return |update| / rms(weights) of step 0 by slot name, weight decay left out.

    Adam's first step is ±lr for every entry whose gradient is not zero (m̂/√v̂ is its sign: Kingma and Ba 2015,
    algorithm 1), so the ratio needs no gradient: only where one vanishes exactly. Slots that start at zero have the
    ratio inf.
    """
    zero_gradients = _ZeroGradients(blueprint)
    return {slot.name: 0.0 if zero_gradients.include(slot) else _ratio(law, lr) for slot, law in blueprint.laws}


def _ratio(law: Law, lr: float) -> float:
    step = lr * law.lr if law.train else 0.0
    if step == 0:
        return 0.0
    size = math.hypot(law.dist.mean, law.dist.std)
    return step / size if size > 0 else math.inf


class _ZeroGradients:
    """The slots whose gradient is exactly zero: behind what starts at zero, nothing moves."""

    def __init__(self, blueprint: Blueprint) -> None:
        zero = [slot for slot, law in blueprint.laws if law.is_zero]
        self._head = any(slot.role == LM_HEAD for slot in zero)
        self._last = {slot.branch for slot in zero if slot.writes_residual}
        scales = {slot.branch for slot in zero if slot.role == BRANCH_SCALE}
        shared = blueprint.topology.shared_scales
        self._scaled = scales | {branch + 1 for branch in scales if branch is not None and shared}

    def include(self, slot: Slot) -> bool:
        if slot.role == BIAS and slot.of == KEY:
            return True  # softmax does not see a shift of all logits
        if self._head and slot.role != LM_HEAD:
            return True
        if slot.branch is None or slot.role in (BRANCH_SCALE, SKIP_SCALE):
            return False
        behind_last = not slot.writes_residual and slot.of not in RESIDUAL_WRITERS
        return slot.branch in self._scaled or (slot.branch in self._last and behind_last)
