"""What is measured on a tapped tensor: reductions to one number, written for a single run.

Tensors have shape (B, T, C): batch, tokens, channels (hidden units in the MLP, the vocabulary for logits), or, inside
attention, (B, H, T, T): heads, queries, keys. A probe is registered by decorating its reduction::

    @probe("residual_peak", place="residual", summary="largest entry of the residual stream")
    def residual_peak(x: Tensor) -> Tensor:
        return x.abs().amax()
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from initlab.errors import InitlabError, did_you_mean
from initlab.network.slots import ATTN_OUT, FFN_DOWN, FFN_INPUT_ROLES, QKV_ROLES
from initlab.plugins.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

Place: TypeAlias = Literal[
    "residual", "attn_logits", "attn_weights", "attn_branch", "ffn_hidden", "mlp_branch", "logits"
]
Reduction: TypeAlias = "Callable[[Tensor], Tensor]"


@dataclass(frozen=True)
class Probe:
    """Reduces the tensor tapped at ``place`` to a scalar; the values of one forward pass form a list over sites.

    ``residual`` has 2L+1 sites (after the embedding, after each attention, after each MLP), ``logits`` a single one,
    everything else one a layer. torch.vmap maps the reduction over lanes: it may neither ask for a tensor's value
    (``.item()``, ``if x > 0``) nor keep anything.
    """

    place: Place
    reduce: Reduction
    summary: str

    def __post_init__(self) -> None:
        if self.place not in get_args(Place):
            raise InitlabError(f"no place {self.place!r} to probe{did_you_mean(self.place, get_args(Place))}")


BACKWARD_PROBES = {
    "grad_rms": "rms of the loss's gradient with respect to the residual stream, at its 2L+1 sites",
    "weight_grad_rms": "rms of the loss's gradient with respect to the parameters, per block",
}
"""Measured by the engine, which alone sees gradients."""

UPDATED_ROLES = (*QKV_ROLES, ATTN_OUT, *FFN_INPUT_ROLES, FFN_DOWN)

UPDATE_PROBES = {
    f"update_ratio_{role}": f"rms of the last update of {role} over the rms of {role} before it"
    for role in UPDATED_ROLES
}
"""Measured by the engine at every probed step but the first, per block, for the roles that move."""

DEAD = 1e-3
"""A hidden unit is dead where it never gets further from zero than this, in units of all units' rms."""

PROBES: Registry[Probe] = Registry(
    "probe",
    code=lambda entry: entry.reduce,
    entry_points="initlab.probes",
    reserved=frozenset({"step", "loss", *BACKWARD_PROBES, *UPDATE_PROBES}),
)


def probe(name: str, *, place: Place, summary: str) -> Callable[[Reduction], Reduction]:
    """Register a reduction as a probe; every run from then on is measured with it, under that name."""

    def decorate(reduce: Reduction) -> Reduction:
        PROBES.add(name, Probe(place, reduce, summary))
        return reduce

    return decorate


def plugin_probes() -> dict[str, str]:
    """Return the places of the probes that did not come with initlab; every run is measured with them."""
    return {name: probe.place for name, probe in PROBES.items() if not PROBES.is_built_in(name)}


def second_moment(x: "Tensor") -> "Tensor":
    """Return the mean of x² over batch, tokens and channels."""
    return x.square().mean()


def channel_variance(x: "Tensor") -> "Tensor":
    """Return the variance over channels per token (divided by C), averaged over batch and tokens."""
    return (x - x.mean(-1, keepdim=True)).square().mean()


def token_cosine(x: "Tensor") -> "Tensor":
    """Return the mean cosine between the vectors of two different tokens of one sequence.

    Over all pairs s ≠ t: (|Σ u|² - Σ |u|²) / (T (T-1)) with u the vectors at unit length. A single token has no
    pair: 0/0, NaN.
    """
    length = x.square().sum(-1, keepdim=True).sqrt()
    unit = x / length.clamp_min(1e-30)
    tokens = x.shape[-2]
    total = unit.sum(-2).square().sum(-1) - unit.square().sum((-1, -2))
    return (total / (tokens * (tokens - 1) or float("nan"))).mean()


def dead_share(x: "Tensor") -> "Tensor":
    """Return the share of hidden units that stay (near) zero for every token of the batch.

    Units whose activation is zero, whose gate never opens, or that are too small to matter beside the others.
    """
    largest = x.abs().flatten(0, -2).amax(0)
    return (largest <= DEAD * x.square().mean().sqrt()).to(x.dtype).mean()


def largest_logit(x: "Tensor") -> "Tensor":
    """Return the largest attention logit of any head and pair of tokens that see each other."""
    return x.amax()


def attention_entropy(x: "Tensor") -> "Tensor":
    """Return the entropy of the attention weights over that of equal ones: 1 is uniform, 0 a single token.

    The mean over batch, heads and queries. The first query, which sees itself alone, has none; where no other
    exists the mean is of nothing, NaN.
    """
    import torch

    visible = torch.arange(2, x.shape[-2] + 1, dtype=x.dtype, device=x.device)
    return (torch.special.entr(x[..., 1:, :]).sum(-1) / visible.log()).mean()


PROBES.add("residual_ms", Probe("residual", second_moment, "second moment of the residual stream"))
PROBES.add(
    "residual_var", Probe("residual", channel_variance, "variance of the residual stream over channels, per token")
)
PROBES.add("token_cosine", Probe("residual", token_cosine, "mean cosine between the tokens of a sequence"))
PROBES.add("attn_ms", Probe("attn_branch", second_moment, "second moment of what each attention adds"))
PROBES.add("attn_logit_max", Probe("attn_logits", largest_logit, "largest attention logit"))
PROBES.add("attn_entropy", Probe("attn_weights", attention_entropy, "entropy of attention, 1 where it is uniform"))
PROBES.add("dead_units", Probe("ffn_hidden", dead_share, "share of hidden units that are zero for every token"))
PROBES.add("mlp_ms", Probe("mlp_branch", second_moment, "second moment of what each MLP adds"))
PROBES.add("logit_var", Probe("logits", channel_variance, "variance of the logits over the vocabulary, per token"))
