"""How large Adam's first step is, slot by slot, against the weights it moves."""

import math
from collections.abc import Sequence

from initlab.laws import Law, Slot
from initlab.theory.setup import Attention, Branch, Setup

LAST = frozenset({"attn_out", "ffn_down"})


def update_ratios(table: Sequence[tuple[Slot, Law]], setup: Setup, lr: float) -> dict[str, float]:
    """Return |update| / rms(weights) of step 0 by slot name, weight decay left out.

    Adam's first step is ±lr for every entry whose gradient is not zero (m̂/√v̂ is its sign), so the ratio needs no
    gradient: only where one vanishes exactly. Slots that start at zero have the ratio inf.
    """
    return {slot.name: _ratio(slot, law, setup, lr) for slot, law in table}


def _ratio(slot: Slot, law: Law, setup: Setup, lr: float) -> float:
    step = lr * law.lr if law.train and not _has_no_gradient(slot, setup) else 0.0
    if step == 0:
        return 0.0
    size = math.hypot(law.dist.mean, law.dist.std)
    return step / size if size > 0 else math.inf


def _has_no_gradient(slot: Slot, setup: Setup) -> bool:
    """Behind a matrix that starts at zero nothing moves, nor behind a head that does; a key's bias never does, for
    softmax does not see a shift of all logits."""
    if slot.role == "bias" and slot.of == "key":
        return True
    if setup.head == 0 and not setup.tied and slot.role != "lm_head":
        return True
    if slot.branch is None or slot.role in ("branch_scale", "skip_scale"):
        return False
    return _closed(setup.branches[slot.branch], last=slot.role in LAST, bias=slot.of in LAST)


def _closed(branch: Branch, *, last: bool, bias: bool) -> bool:
    if branch.scale == 0:
        return True
    body = branch.body
    out = body.out if isinstance(body, Attention) else body.down
    return out.gain == 0 and not (last or bias)
