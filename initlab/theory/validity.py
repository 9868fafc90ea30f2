"""Which of theory's assumptions a setup breaks: said beside the prediction, so that a disagreement can be read."""

import math
from dataclasses import dataclass

from initlab.theory.head import Head
from initlab.theory.theory_model import Attention, Setup
from initlab.theory.tokens import Tokens

LOGIT_STD = 1.0
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
}
"""How far the expectation itself may be from the truth where every assumption holds: relative, but for cosines and
nats. About twice the worst that ``benchmarks/theory_validation.py`` accepts of one site (docs/theory.md)."""


@dataclass(frozen=True)
class Note:
    """``assumption`` is the one that fails, ``message`` says by how much, ``affects`` which curves suffer.

    ``explains`` is the largest error (relative; absolute for cosines and nats) that it has been seen to cause: a
    curve that is further off has another reason.
    """

    assumption: str
    message: str
    affects: tuple[str, ...]
    explains: float = 0.5


FORWARD = ("residual_ms", "attn_ms", "token_cosine")
EVERYTHING = (*FORWARD, "mlp_ms", "grad_ms", "initial_loss")


def notes(setup: Setup, tokens: Tokens, logit_stds: list[float], head: Head) -> tuple[Note, ...]:
    """Return every assumption that does not hold."""
    found = []
    largest = max(logit_stds, default=0.0)
    if largest > LOGIT_STD:
        affects = ("attn_ms", "grad_ms") if largest <= 3 else (*FORWARD, "grad_ms")
        message = f"their standard deviation is {largest:.2g}"
        found.append(Note("attention logits are small", message, affects, 1.0 if largest <= 3 else 4.0))
    if setup.width < WIDTH:
        found.append(Note("the network is wide", f"n_embd = {setup.width} is less than {WIDTH}", EVERYTHING))
    if not tokens.independent and tokens.lags[0] > 1.5 * tokens.collision:
        text = f"neighbours agree with probability {tokens.lags[0]:.3f}, far tokens with {tokens.collision:.3f}"
        found.append(Note("tokens are independent", text, ("attn_ms", "initial_loss", "grad_ms")))
    if head.own > OWN_LOGIT:
        text = f"the head's logit of the input token itself is {head.own:.3g}"
        found.append(Note("the gradient is independent of the stream", text, ("initial_loss", "grad_ms"), 4.0))
    if head.variance > LOGIT_STD**2 * 4:
        text = f"the head's logits have the standard deviation {head.variance**0.5:.2g}"
        found.append(Note("the model has no opinion yet", text, ("initial_loss", "grad_ms"), 4.0))
    return (*found, *_topology(setup))


def _topology(setup: Setup) -> list[Note]:
    found = []
    attentions = [branch.body for branch in setup.branches if isinstance(branch.body, Attention)]
    bias = math.sqrt(max((body.position_bias for body in attentions), default=0.0))
    if bias > 0.3:
        text = f"the logits' bias by distance has the standard deviation {bias:.2g}, taken as 0"
        found.append(Note("attention is even over positions", text, (*FORWARD, "grad_ms")))
    if setup.rotary:
        text = "rotary positions are taken to leave the logits' covariances alone"
        found.append(Note("logits do not know positions", text, ("attn_ms",)))
    if any(branch.incoming is branch.inner is branch.after is None for branch in setup.branches):
        text = "a branch reads the stream without a norm, so its output follows the scatter of the stream's scale"
        found.append(Note("branches read a stream of fixed scale", text, EVERYTHING, 10.0))
    if setup.logit_softcap is not None and math.sqrt(setup.head) > setup.logit_softcap / 3:
        found.append(Note("the softcap is not reached", "it is, and is left out", ("initial_loss", "grad_ms"), 4.0))
    return found
