"""Taps: the places of the forward pass that can be looked at, each declared once.

The residual stream of L blocks is seen at 2L+1 sites: site 0 after the embedding, site 2l+1 after the attention of
block l, site 2l+2 after its MLP, which is where the block ends. Every tap says at which of them its tensors belong.
Axes: B batch, T tokens, C width, F hidden units of the MLP, H heads, V vocabulary.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from initlab.errors import InitlabError, did_you_mean
from initlab.network.slots import ATTN_OUT, FFN_DOWN, FFN_GATE, FFN_UP, KEY, QUERY, VALUE, Role

Layout: TypeAlias = Literal["stream", "attention", "block", "end"]
"""Which sites one forward pass has values at: all 2L+1 (``stream``), the L where attention ends (``attention``), the
L where a block ends (``block``), or the last alone (``end``)."""

RESIDUAL = "residual"
ATTN_LOGITS, ATTN_WEIGHTS = "attn_logits", "attn_weights"
ATTN_PROJECTION, ATTN_BRANCH = "attn_projection", "attn_branch"
FFN_HIDDEN, FFN_PROJECTION, MLP_BRANCH = "ffn_hidden", "ffn_projection", "mlp_branch"
LOGITS = "logits"
"""Names of taps. What a matrix of the role puts out is tapped as the role itself, apart from output projections."""


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One place: what is seen there, the axes of its tensor in a single run, and at which sites.

    ``matrix`` is the role whose matrices it is the output of, None where it is no matrix's alone.
    """

    summary: str
    axes: str
    layout: Layout
    matrix: Role | None = None


TAPS: dict[str, Tap] = {
    RESIDUAL: Tap(
        summary="the residual stream after the embedding, each attention, each MLP", axes="BTC", layout="stream"
    ),
    QUERY: Tap(summary="queries: the output of their matrix", axes="BTC", layout="attention", matrix=QUERY),
    KEY: Tap(summary="keys: the output of their matrix", axes="BTC", layout="attention", matrix=KEY),
    VALUE: Tap(summary="values: the output of their matrix", axes="BTC", layout="attention", matrix=VALUE),
    ATTN_LOGITS: Tap(summary="attention logits, -∞ where masked", axes="BHTT", layout="attention"),
    ATTN_WEIGHTS: Tap(summary="attention weights, before dropout", axes="BHTT", layout="attention"),
    ATTN_PROJECTION: Tap(
        summary="the output of attention's last matrix", axes="BTC", layout="attention", matrix=ATTN_OUT
    ),
    ATTN_BRANCH: Tap(summary="what attention adds to the stream", axes="BTC", layout="attention"),
    FFN_UP: Tap(summary="the output of the MLP's first matrix", axes="BTF", layout="block", matrix=FFN_UP),
    FFN_GATE: Tap(
        summary="the output of the gate's matrix, if there is one", axes="BTF", layout="block", matrix=FFN_GATE
    ),
    FFN_HIDDEN: Tap(summary="the MLP's hidden units, after activation and gate", axes="BTF", layout="block"),
    FFN_PROJECTION: Tap(summary="the output of the MLP's last matrix", axes="BTC", layout="block", matrix=FFN_DOWN),
    MLP_BRANCH: Tap(summary="what the MLP adds to the stream", axes="BTC", layout="block"),
    LOGITS: Tap(summary="the logits", axes="BTV", layout="end"),
}
"""By name. A network without gates has no tensor at ``ffn_gate``."""


def tap_named(name: str) -> Tap:
    """Return a tap; raises InitlabError for an unknown name, with the nearest one."""
    if name not in TAPS:
        raise InitlabError(f"no tap {name!r}{did_you_mean(name, TAPS)}")
    return TAPS[name]


def sites(tap: str, n_layer: int) -> range:
    """Return the sites of the residual stream (0..2L) at which a tap's tensors belong, in the forward pass's order.

    Its length is how many tensors one forward pass shows there: 2L+1, L or 1. Raises InitlabError for an unknown tap.
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
