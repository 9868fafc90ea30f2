"""Probes: what is measured of a tapped tensor on the way forward, each a reduction to one number, for a single run.

A tensor's axes are its tap's (``initlab.network.taps``): (B, T, C) mostly, with hidden units or the vocabulary in
place of channels, or, inside attention, (B, H, T, T): heads, queries, keys. A probe is registered by decorating its
reduction::

    @probe("residual_peak", tap="residual", summary="largest entry of the residual stream", positive=True)
    def residual_peak(x: Tensor) -> Tensor:  # (B, T, C) to ()
        return x.abs().amax()
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from initlab.network import taps
from initlab.plugins.registry import Registry
from initlab.probes.quantities import BACKWARD_PROBES, UPDATE_PROBES, Quantity

if TYPE_CHECKING:
    from torch import Tensor

Reduction: TypeAlias = "Callable[[Tensor], Tensor]"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Reduces every tensor at ``tap`` to a scalar; the values of one forward pass form a list over its sites.

    torch.vmap maps ``reduce`` over lanes: it may neither ask for a tensor's value (``.item()``, ``if x > 0``) nor
    keep anything. ``positive`` and ``unit`` are its :class:`Quantity`'s. Raises InitlabError for an unknown tap.
    """

    tap: str
    reduce: Reduction
    summary: str
    unit: str = ""
    positive: bool = False

    def __post_init__(self) -> None:
        taps.tap_named(self.tap)

    @property
    def quantity(self) -> Quantity:
        """What its numbers are, and at which sites they stand."""
        layout = taps.TAPS[self.tap].layout
        return Quantity(summary=self.summary, layout=layout, unit=self.unit, positive=self.positive)


DEAD = 1e-3
"""A hidden unit is dead where it never gets further from zero than this, in units of all units' rms."""

PROBES: Registry[Probe] = Registry(
    "probe",
    code=lambda entry: entry.reduce,
    entry_points="initlab.probes",
    reserved=frozenset({"step", "loss", *BACKWARD_PROBES, *UPDATE_PROBES}),
)


def probe(
    name: str, *, tap: str, summary: str, unit: str = "", positive: bool = False
) -> Callable[[Reduction], Reduction]:
    """Register a reduction as a probe; every run planned from then on is measured with it, under that name.

    Raises InitlabError for an unknown tap and for a name that is taken.
    """

    def decorate(reduce: Reduction) -> Reduction:
        PROBES.add(name, Probe(tap=tap, reduce=reduce, summary=summary, unit=unit, positive=positive))
        return reduce

    return decorate


def plugin_probes() -> dict[str, str]:
    """Return the taps of the probes that did not come with initlab; every run is measured with them."""
    return {name: probe.tap for name, probe in PROBES.items() if not PROBES.is_built_in(name)}


def quantities() -> dict[str, Quantity]:
    """Return everything that a row of ``layers.jsonl`` may hold besides its step and loss, by name."""
    return {**{name: probe.quantity for name, probe in PROBES.items()}, **BACKWARD_PROBES, **UPDATE_PROBES}


def stored_quantities(plugin_taps: Mapping[str, str]) -> dict[str, Quantity]:
    """Return ``quantities()``, and those of probes that are not installed here, by the taps a sweep stored.

    ``plugin_taps`` is ``plugin_probes`` of ``sweep.json``. A tap unknown to this version is left out.
    """
    known = {name: tap for name, tap in plugin_taps.items() if tap in taps.TAPS}
    gone = {name: Quantity(summary="", layout=taps.TAPS[tap].layout) for name, tap in known.items()}
    return {**gone, **quantities()}


def is_positive(name: str) -> bool:
    """Return whether a quantity is compared on the log scale; False for an unknown name."""
    return name in (known := quantities()) and known[name].positive


def unit_of(name: str) -> str:
    """Return a quantity's unit, empty where it has none or is unknown."""
    return known[name].unit if name in (known := quantities()) else ""


def second_moment(x: "Tensor") -> "Tensor":
    """Return the mean of x² over batch, tokens and channels: (B, T, C) to ()."""
    return x.square().mean()


def channel_variance(x: "Tensor") -> "Tensor":
    """Return the variance over channels per token (divided by C), averaged over batch and tokens: (B, T, C) to ()."""
    return (x - x.mean(-1, keepdim=True)).square().mean()


def token_cosine(x: "Tensor") -> "Tensor":
    """Return the mean cosine between the vectors of two different tokens of one sequence: (B, T, C) to ().

    Over all pairs s ≠ t: (|Σ u|² - Σ |u|²) / (T (T-1)) with u the vectors at unit length. A single token has no
    pair: 0/0, NaN.
    """
    length = x.square().sum(-1, keepdim=True).sqrt()  # (B, T, 1)
    unit = x / length.clamp_min(1e-30)  # a token of zeros has no direction: its cosines are 0, not NaN
    tokens = x.shape[-2]
    total = unit.sum(-2).square().sum(-1) - unit.square().sum((-1, -2))  # (B,)
    return (total / (tokens * (tokens - 1) or float("nan"))).mean()


def dead_share(x: "Tensor") -> "Tensor":
    """Return the share of hidden units that stay (near) zero for every token of the batch: (B, T, F) to ().

    Units whose activation is zero, whose gate never opens, or that are too small to matter beside the others.
    """
    largest = x.abs().flatten(0, -2).amax(0)  # (F,)
    return (largest <= DEAD * x.square().mean().sqrt()).to(x.dtype).mean()


def largest_logit(x: "Tensor") -> "Tensor":
    """Return the largest attention logit of any head and pair of tokens that see each other: (B, H, T, T) to ()."""
    return x.amax()


def attention_entropy(x: "Tensor") -> "Tensor":
    """Return the entropy of the attention weights over that of equal ones: (B, H, T, T) to ().

    1 is uniform, 0 a single token. The mean over batch, heads and queries. The first query, which sees itself alone,
    has none; where no other exists the mean is of nothing, NaN.
    """
    import torch

    visible = torch.arange(2, x.shape[-2] + 1, dtype=x.dtype, device=x.device)  # (T-1,): keys a query sees
    return (torch.special.entr(x[..., 1:, :]).sum(-1) / visible.log()).mean()


for _name, _probe in {
    "residual_ms": Probe(
        tap=taps.RESIDUAL, reduce=second_moment, summary="second moment of the residual stream", positive=True
    ),
    "residual_var": Probe(
        tap=taps.RESIDUAL,
        reduce=channel_variance,
        summary="variance of the residual stream over channels, per token",
        positive=True,
    ),
    "token_cosine": Probe(
        tap=taps.RESIDUAL, reduce=token_cosine, summary="mean cosine between the tokens of a sequence"
    ),
    "attn_ms": Probe(
        tap=taps.ATTN_BRANCH,
        reduce=second_moment,
        summary="second moment of what each attention adds",
        positive=True,
    ),
    "attn_logit_max": Probe(
        tap=taps.ATTN_LOGITS, reduce=largest_logit, summary="largest attention logit", unit="nats"
    ),
    "attn_entropy": Probe(
        tap=taps.ATTN_WEIGHTS, reduce=attention_entropy, summary="entropy of attention, 1 where it is uniform"
    ),
    "dead_units": Probe(
        tap=taps.FFN_HIDDEN, reduce=dead_share, summary="share of hidden units that are zero for every token"
    ),
    "mlp_ms": Probe(
        tap=taps.MLP_BRANCH, reduce=second_moment, summary="second moment of what each MLP adds", positive=True
    ),
    "logit_var": Probe(
        tap=taps.LOGITS,
        reduce=channel_variance,
        summary="variance of the logits over the vocabulary, per token",
        unit="nats²",
        positive=True,
    ),
}.items():
    PROBES.add(_name, _probe)
