"""Which of theory's assumptions a model breaks: printed beside the prediction, so that a disagreement can be read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from initlab.theory.head import LogitMoments
from initlab.theory.theory_model import Attention, TheoryModel
from initlab.theory.tokens import TokenStatistics

LOGIT_STD = 0.9
"""Attention logits up to this leave every curve within its stated error, and up to 3 the stream."""

WIDTH = 64
"""Gradients lose terms of order 1/width, and one draw's band passes a tenth below this."""

OWN_LOGIT = 3.0
"""Above it the softmax of a tied head knows its input token, and the gradient is not independent of the stream."""

ACCURACY = {
    "residual_ms": 0.1,
    "attn_ms": 0.2,
    "mlp_ms": 0.15,
    "token_cosine": 0.1,
    "grad_ms": 0.3,
    "initial_loss": 0.1,
    "logit_var": 0.15,
}
"""How far the expectation itself may be from the truth where every assumption holds: relative, but for cosines and
nats. About twice the worst that ``benchmarks/theory_validation.py`` accepts of one site (docs/theory.md)."""


@dataclass(frozen=True)
class Caveat:
    """``assumption`` is the one that fails, ``message`` says by how much, ``affects`` which curves suffer.

    ``explains`` is the largest error (relative; absolute for cosines and nats) that it has been seen to cause: a
    curve that is further off has another reason.
    """

    assumption: str
    message: str
    affects: tuple[str, ...]
    explains: float = 0.5


FEW_DRAWS = 8
"""Draws whose mean is to be within the stated accuracy of the expectation, at three standard errors."""

FORWARD = ("residual_ms", "attn_ms", "token_cosine")
EVERYTHING = (*FORWARD, "mlp_ms", "grad_ms", "initial_loss")


def caveats(
    model: TheoryModel,
    tokens: TokenStatistics,
    logit_stds: list[float],
    logits: LogitMoments,
    curves: Mapping[str, Sequence[float]],
    bands: Mapping[str, Sequence[float]],
) -> tuple[Caveat, ...]:
    """Return every assumption that does not hold; ``logit_stds`` are those of attention, one a layer."""
    broken = []
    largest = max(logit_stds, default=0.0)
    if largest > LOGIT_STD:
        affects = ("attn_ms", "grad_ms") if largest <= 3 else (*FORWARD, "grad_ms")
        message = f"their standard deviation is {largest:.2g}"
        broken.append(Caveat("attention logits are small", message, affects, 1.0 if largest <= 3 else 4.0))
    if model.width < WIDTH:
        broken.append(Caveat("the network is wide", f"n_embd = {model.width} is less than {WIDTH}", EVERYTHING))
    if not tokens.independent and tokens.lags[0] > 1.5 * tokens.collision:
        text = f"neighbours agree with probability {tokens.lags[0]:.3f}, far tokens with {tokens.collision:.3f}"
        affects = ("attn_ms", "token_cosine", "initial_loss", "grad_ms")
        broken.append(Caveat("tokens are independent", text, affects))
    if logits.own > OWN_LOGIT:
        text = f"the head's logit of the input token itself is {logits.own:.3g}"
        own_error = 4.0 if logits.own < 2 * OWN_LOGIT else 100.0
        broken.append(
            Caveat("the gradient is independent of the stream", text, ("initial_loss", "grad_ms"), own_error)
        )
    if logits.variance > 4:
        text = f"the head's logits have the standard deviation {logits.variance**0.5:.2g}"
        broken.append(Caveat("the model has no opinion yet", text, ("initial_loss", "grad_ms"), 4.0))
    return (*broken, *_topology(model, largest), *_scatter(curves, bands))


def _scatter(curves: Mapping[str, Sequence[float]], bands: Mapping[str, Sequence[float]]) -> list[Caveat]:
    """Name the curves whose draws differ so much that the mean of a few of them is past the stated accuracy."""
    wide = {}
    for name, accuracy in ACCURACY.items():
        units = (1.0 if name in ("token_cosine", "initial_loss") else value for value in curves.get(name, ()))
        band = max(
            (one / unit for one, unit in zip(bands.get(name, ()), units, strict=False) if unit > 0), default=0.0
        )
        if 3 * band / math.sqrt(FEW_DRAWS) > accuracy:
            wide[name] = band
    if not wide:
        return []
    text = "one draw's bands reach " + ", ".join(f"{band:.2g} of {name}" for name, band in wide.items())
    # It excuses no error: bands are counted apart from it.
    return [Caveat("one draw is much like another", f"{text}: single runs say little", tuple(wide), 0.0)]


def _topology(model: TheoryModel, logit_std: float) -> list[Caveat]:
    broken = []
    attentions = [branch.body for branch in model.branches if isinstance(branch.body, Attention)]
    bias = math.sqrt(max((body.position_bias for body in attentions), default=0.0))
    if bias > 0.3:
        text = f"the logits' bias by distance has the standard deviation {bias:.2g}, taken as 0"
        broken.append(Caveat("attention is even over positions", text, (*FORWARD, "grad_ms")))
    if model.rotary:
        text = "rotary positions are taken to leave the logits' covariances alone"
        affects = ("attn_ms",) if logit_std <= 0.3 else ("attn_ms", "token_cosine", "grad_ms")
        broken.append(Caveat("logits do not know positions", text, affects))
    if any(branch.incoming is branch.inner is branch.after is None for branch in model.branches):
        text = "a branch reads the stream without a norm, so its output follows the scatter of the stream's scale"
        broken.append(Caveat("branches read a stream of fixed scale", text, EVERYTHING, 10.0))
    if model.logit_softcap is not None and math.sqrt(model.head) > model.logit_softcap / 3:
        broken.append(
            Caveat("the softcap is not reached", "it is, and the gradient's is taken at its mean slope", ("grad_ms",))
        )
    return broken
