"""The vocabulary of inits: slots, and the laws by which they start, act and move.

Everything here is a frozen value without tensors: planning, prediction, documentation and drawing all read
the same laws. An init is a function ``law(slot) -> Law | None`` over these words.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal[
    "token_embedding",
    "position_embedding",
    "query",
    "key",
    "value",
    "attn_out",
    "ffn_up",
    "ffn_down",
    "lm_head",
    "norm_gain",
    "norm_bias",
    "bias",
]

LINEAR_ROLES: frozenset[str] = frozenset({"query", "key", "value", "attn_out", "ffn_up", "ffn_down", "lm_head"})
EMBEDDING_ROLES: frozenset[str] = frozenset({"token_embedding", "position_embedding"})
RESIDUAL_WRITERS: frozenset[str] = frozenset({"attn_out", "ffn_down"})


@dataclass(frozen=True, kw_only=True)
class Dims:
    """The sizes a law may depend on."""

    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int
    block_size: int
    ffn_hidden: int
    bias: bool = True
    tied: bool = True


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One addressable part of the network, described without a tensor.

    ``name`` is the model's parameter name. Weights have shape (fan_out, fan_in); embeddings (entries, n_embd)
    with fan_in = n_embd, as torch counts it. A bias has the fan_in of the matrix it belongs to, named by ``of``.
    ``branch`` counts residual branches, 0..2L-1. A tied tensor is one slot whose other roles are its ``aliases``.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    fan_in: int
    fan_out: int
    dims: Dims
    layer: int | None = None
    branch: int | None = None
    of: Role | None = None
    aliases: tuple[Role, ...] = ()

    @property
    def is_linear(self) -> bool:
        """A matrix that multiplies activations; a token embedding tied to the head is one too."""
        return self.role in LINEAR_ROLES or "lm_head" in self.aliases

    @property
    def is_embedding(self) -> bool:
        return self.role in EMBEDDING_ROLES

    @property
    def is_weight(self) -> bool:
        return self.role in LINEAR_ROLES or self.is_embedding

    @property
    def writes_residual(self) -> bool:
        """One of the two projections a block adds to the residual stream with."""
        return self.role in RESIDUAL_WRITERS


@dataclass(frozen=True)
class Normal:
    """Gaussian with mean 0."""

    std: float
    name = "normal"
    mean = 0.0
    kurtosis = 3.0

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)


@dataclass(frozen=True)
class Uniform:
    """Uniform on ±√3·std."""

    std: float
    name = "uniform"
    mean = 0.0
    kurtosis = 1.8

    @property
    def support(self) -> tuple[float, float]:
        return (-math.sqrt(3) * self.std, math.sqrt(3) * self.std)


@dataclass(frozen=True)
class Constant:
    """Every entry equal to ``mean``."""

    mean: float
    name = "constant"
    std = 0.0
    kurtosis = 1.0

    @property
    def support(self) -> tuple[float, float]:
        return (self.mean, self.mean)


Dist: TypeAlias = Normal | Uniform | Constant
ZEROS = Constant(0.0)
ONES = Constant(1.0)


def scale(dist: Dist, factor: float) -> Dist:
    """Return the distribution of ``factor`` times a draw."""
    if isinstance(dist, Constant):
        return Constant(dist.mean * factor)
    return replace(dist, std=dist.std * abs(factor))


@dataclass(frozen=True, kw_only=True)
class Law:
    """How a slot starts (``dist``), is multiplied in the forward pass (``mult``) and moves.

    ``lr``, ``wd`` and ``eps`` are factors on the optimizer's own settings; ``train=False`` freezes the slot.
    The triple (mult, dist, lr) is the abc-parametrisation of Yang & Hu, arXiv 2011.14522.
    """

    dist: Dist
    mult: float = 1.0
    lr: float = 1.0
    wd: float = 1.0
    eps: float = 1.0
    train: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "dist": self.dist.name,
            "mean": self.dist.mean,
            "std": self.dist.std,
            **{key: getattr(self, key) for key in ("mult", "lr", "wd", "eps", "train")},
        }


@dataclass(frozen=True, kw_only=True)
class Topology:
    """What an init asks of the network around its weights."""

    norm_at: Literal["pre"] = "pre"
    final_norm: bool = True
    norm: Literal["layernorm"] = "layernorm"
    positions: Literal["learned"] = "learned"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
