"""Taps: the places of the forward pass that can be looked at, each declared once.

The residual stream of L blocks is seen at 2L+1 sites: site 0 after the embedding, site 2l+1 after the attention of
block l, site 2l+2 after its MLP, which is where the block ends. Every tap says at which of them its tensors belong.
Axes: B batch, T tokens, C width, F hidden units of the MLP, H heads, V vocabulary.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from initlab.errors import InitlabError, did_you_mean

Layout: TypeAlias = Literal["stream", "attention", "block", "end"]
"""Which sites one forward pass has values at: all 2L+1 (``stream``), the L where attention ends (``attention``), the
L where a block ends (``block``), or the last alone (``end``)."""

RESIDUAL = "residual"
QUERY, KEY, VALUE = "query", "key", "value"
ATTN_LOGITS, ATTN_WEIGHTS = "attn_logits", "attn_weights"
ATTN_PROJECTION, ATTN_BRANCH = "attn_projection", "attn_branch"
FFN_UP, FFN_GATE, FFN_HIDDEN = "ffn_up", "ffn_gate", "ffn_hidden"
FFN_PROJECTION, MLP_BRANCH = "ffn_projection", "mlp_branch"
LOGITS = "logits"


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One place: what stands there, the axes of its tensor in a single run, and at which sites."""

    what: str
    axes: str
    layout: Layout


TAPS: dict[str, Tap] = {
    RESIDUAL: Tap(
        what="the residual stream after the embedding, each attention, each MLP", axes="BTC", layout="stream"
    ),
    QUERY: Tap(what="queries, as their matrix puts them out", axes="BTC", layout="attention"),
    KEY: Tap(what="keys, as their matrix puts them out", axes="BTC", layout="attention"),
    VALUE: Tap(what="values, as their matrix puts them out", axes="BTC", layout="attention"),
    ATTN_LOGITS: Tap(what="attention logits, -∞ where masked", axes="BHTT", layout="attention"),
    ATTN_WEIGHTS: Tap(what="attention weights, before dropout", axes="BHTT", layout="attention"),
    ATTN_PROJECTION: Tap(what="what attention's output matrix puts out", axes="BTC", layout="attention"),
    ATTN_BRANCH: Tap(what="what attention adds to the stream", axes="BTC", layout="attention"),
    FFN_UP: Tap(what="what the MLP's first matrix puts out", axes="BTF", layout="block"),
    FFN_GATE: Tap(what="what the gate's matrix puts out, where there is one", axes="BTF", layout="block"),
    FFN_HIDDEN: Tap(what="the MLP's hidden units, after activation and gate", axes="BTF", layout="block"),
    FFN_PROJECTION: Tap(what="what the MLP's last matrix puts out", axes="BTC", layout="block"),
    MLP_BRANCH: Tap(what="what the MLP adds to the stream", axes="BTC", layout="block"),
    LOGITS: Tap(what="the logits", axes="BTV", layout="end"),
}
"""By name, in no order that matters. A network without gates has no tensor at ``ffn_gate``."""


def tap_named(name: str) -> Tap:
    """Return a tap; raises InitlabError for a name that there is not, with the nearest one."""
    if name not in TAPS:
        raise InitlabError(f"no tap {name!r}{did_you_mean(name, TAPS)}")
    return TAPS[name]


def sites(tap: str, n_layer: int) -> range:
    """Return the sites of the residual stream (0..2L) at which a tap's tensors belong, in the forward pass's order.

    Its length is how many tensors one forward pass shows there: 2L+1, L or 1. Raises InitlabError for no tap.
    """
    return layout_sites(tap_named(tap).layout, n_layer)


def layout_sites(layout: Layout, n_layer: int) -> range:
    """Return the sites of the residual stream (0..2L) that a layout has values at."""
    last = 2 * n_layer
    return {
        "stream": range(last + 1),
        "attention": range(1, last, 2),
        "block": range(2, last + 1, 2),
        "end": range(last, last + 1),
    }[layout]
