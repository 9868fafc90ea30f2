"""What an init promises, in the units in which it can be worked out by hand."""

from typing import Any

from initlab.inits.catalogue import resolve
from initlab.laws import Dims, Dist

GPT2_SMALL = {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257, "block_size": 1024, "ffn_hidden": 3072}
MATRICES = ("query", "key", "value", "attn_out", "ffn_up", "ffn_down")


def dims(**changes: Any) -> Dims:
    """Return GPT-2 small's sizes (L = 12, d = 768, ffn 3072), with changes."""
    return Dims(**{**GPT2_SMALL, **changes})


def promised(init: str, sizes: Dims) -> dict[str, Dist]:
    """Return the distribution of every kind of slot, which must be the same in every layer.

    Keys are roles; a linear bias is ``bias of <role>``.
    """
    found: dict[str, Dist] = {}
    for slot, law in resolve(init).table(sizes):
        assert (law.mult, law.lr, law.wd, law.eps, law.train) == (1, 1, 1, 1, True), slot.name
        key = f"bias of {slot.of}" if slot.of else slot.role
        assert found.setdefault(key, law.dist) == law.dist, f"{key} differs between layers"
    return found


def stds(init: str, sizes: Dims, *, family: str | None = None) -> dict[str, float]:
    """Return the std of every random kind of slot; with ``family``, of those drawn from it."""
    found = promised(init, sizes)
    return {key: dist.std for key, dist in found.items() if dist.std and family in (None, dist.name)}
