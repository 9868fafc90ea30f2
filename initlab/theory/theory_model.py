"""A network in theory's own terms: variances and scales, no names of tensors and no shapes beyond the sizes.

``gain`` of a matrix is what it multiplies a second moment by, fan_in·std², forward multipliers squared and included.
Being square or used in pairs, matrices have the same gain for gradients on the way back.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

EPS = 1e-5
"""The norms' epsilon."""

NormKind: TypeAlias = Literal["layernorm", "rmsnorm"]


@dataclass(frozen=True, kw_only=True)
class NormMoments:
    """``gain`` and ``bias`` are second moments over channels of the norm's own gain and bias."""

    kind: NormKind = "layernorm"
    gain: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """``gain`` = fan_in·std² of the weights, ``bias`` the second moment of the bias, which all positions share."""

    gain: float
    bias: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Attention:
    """``scale`` is the square of the logits' factor times the head's width: 1 for 1/√head_width."""

    query: Matrix
    key: Matrix
    value: Matrix
    out: Matrix
    scale: float = 1.0
    qk_norm: NormMoments | None = None
    """Of q and k over the head; ``gain`` is the geometric mean of theirs, None without one."""
    position_bias: float = 0.0
    """Variance of a learned bias of the logits by distance."""


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """down(f(up)), or down(f(gate)·up) where there is a gate."""

    up: Matrix
    down: Matrix
    gate: Matrix | None = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """x ← after(skip·x + scale·outgoing(body(incoming(x)))); scales multiply second moments, so they are squared.

    ``inner`` norms the hidden vector before its last matrix (Sub-LN). A norm that is None is not there.
    """

    body: Attention | Mlp
    incoming: NormMoments | None = None
    incoming_scale: float = 1.0
    inner: NormMoments | None = None
    outgoing: NormMoments | None = None
    after: NormMoments | None = None
    skip: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class TheoryModel:
    """Everything a prediction depends on but the tokens.

    ``token`` and ``position`` are second moments of what the embeddings add per channel; ``sinusoidal`` adds fixed
    waves instead, with the paper's frequencies or fairseq's. ``head`` = n_embd·std² of the head, ``logit_scale``
    squared and included. ``branches`` alternate attention and MLP; where ``parallel``, both of a layer read the
    layer's input.
    """

    width: int
    hidden: int
    heads: int
    length: int
    vocab: int
    activation: str
    token: float
    position: float
    branches: tuple[Branch, ...]
    head: float
    tied: bool
    embed_norm: NormMoments | None = None
    final_norm: NormMoments | None = None
    sinusoidal: bool = False
    fairseq: bool = False
    rotary: bool = False
    parallel: bool = False
    logit_softcap: float | None = None

    @property
    def layers(self) -> int:
        return len(self.branches) // 2
