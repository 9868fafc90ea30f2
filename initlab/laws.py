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
    "relative_position_bias",
    "query",
    "key",
    "value",
    "attn_out",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
    "lm_head",
    "norm_gain",
    "norm_bias",
    "bias",
    "embed_scale",
    "skip_scale",
    "branch_scale",
    "norm_scale",
    "attn_scale",
    "logit_scale",
    "matrix_scale",
    "scalar_bias",
]

ATTENTION_ROLES: frozenset[str] = frozenset({"query", "key", "value", "attn_out"})
FFN_ROLES: frozenset[str] = frozenset({"ffn_gate", "ffn_up", "ffn_down"})
HIDDEN_ROLES: frozenset[str] = ATTENTION_ROLES | FFN_ROLES
LINEAR_ROLES: frozenset[str] = HIDDEN_ROLES | {"lm_head"}
EMBEDDING_ROLES: frozenset[str] = frozenset({"token_embedding", "position_embedding"})
RESIDUAL_WRITERS: frozenset[str] = frozenset({"attn_out", "ffn_down"})
SCALE_ROLES: frozenset[str] = frozenset(
    {"embed_scale", "skip_scale", "branch_scale", "norm_scale", "attn_scale", "logit_scale", "matrix_scale"}
)
EXTRA_ROLES: frozenset[str] = SCALE_ROLES | {"scalar_bias"}
"""Slots that a plain GPT lacks: they exist only where an init gives them a law."""


@dataclass(frozen=True, kw_only=True)
class Dims:
    """The sizes a law may depend on. ``base_*`` are those of the small model that μP-like rules scale from."""

    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int
    block_size: int
    ffn_hidden: int
    bias: bool = True
    tied: bool = True
    gated: bool = False
    base_n_embd: int = 256
    base_n_layer: int = 2

    @property
    def head_size(self) -> int:
        return self.n_embd // self.n_head

    @property
    def width_ratio(self) -> float:
        """How many times wider than the base."""
        return self.n_embd / self.base_n_embd

    @property
    def depth_ratio(self) -> float:
        """How many times deeper than the base."""
        return self.n_layer / self.base_n_layer


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One addressable part of the network, described without a tensor.

    ``name`` is the model's parameter name. Weights have shape (fan_out, fan_in); embeddings (entries, n_embd)
    with fan_in = n_embd, as torch counts it. A bias, a matrix scale or a scalar bias has the fan_in of the matrix it
    belongs to, named by ``of``. ``branch`` counts residual branches, 0..2L-1. A tied tensor is one slot whose other
    roles are its ``aliases``.
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
    def is_hidden(self) -> bool:
        """A matrix inside a block, both of whose sides grow with the width."""
        return self.role in HIDDEN_ROLES

    @property
    def is_embedding(self) -> bool:
        return self.role in EMBEDDING_ROLES

    @property
    def is_weight(self) -> bool:
        return self.role in LINEAR_ROLES or self.is_embedding

    @property
    def is_extra(self) -> bool:
        """A multiplier or scalar bias, which a plain GPT does not have."""
        return self.role in EXTRA_ROLES

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
class TruncNormal:
    """A Gaussian of standard deviation ``sigma`` and mean 0, cut at ±``cut`` sigmas. Its own ``std`` is smaller.

    torch and OLMo speak of sigma; JAX and TensorFlow's variance scaling of the std after the cut: for those there is
    ``of_std``.
    """

    sigma: float
    cut: float
    name = "trunc-normal"
    mean = 0.0

    @classmethod
    def of_std(cls, std: float, cut: float) -> "TruncNormal":
        return cls(std / cls(1.0, cut).std, cut)

    @property
    def std(self) -> float:
        return self.sigma * math.sqrt(self._moment(1))

    @property
    def kurtosis(self) -> float:
        return self._moment(2) / self._moment(1) ** 2

    @property
    def support(self) -> tuple[float, float]:
        return (-self.cut * self.sigma, self.cut * self.sigma)

    def _moment(self, half: int) -> float:
        """Return E z² (half = 1) or E z⁴ (half = 2) of a unit normal cut at ±c.

        By parts: 1 - 2cφ/Z and 3 - 2c(c²+3)φ/Z, with φ the density at c and Z the mass inside.
        """
        c = self.cut
        density = math.exp(-c * c / 2) / math.sqrt(2 * math.pi)
        edge = 2 * c * density / math.erf(c / math.sqrt(2))
        return 1 - edge if half == 1 else 3 - (c * c + 3) * edge


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
class Orthogonal:
    """A random matrix with orthonormal rows or columns, times a gain: entries have std gain/√max(shape).

    ``kurtosis`` is the bound for wide matrices; an entry of a unit vector of n numbers has 3n/(n+2).
    """

    std: float
    name = "orthogonal"
    mean = 0.0
    kurtosis = 3.0

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)


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


Dist: TypeAlias = Normal | TruncNormal | Uniform | Orthogonal | Constant
ZEROS = Constant(0.0)
ONES = Constant(1.0)


def scale(dist: Dist, factor: float) -> Dist:
    """Return the distribution of ``factor`` times a draw."""
    if isinstance(dist, Constant):
        return Constant(dist.mean * factor)
    if isinstance(dist, TruncNormal):
        return replace(dist, sigma=dist.sigma * abs(factor))
    return replace(dist, std=dist.std * abs(factor))


@dataclass(frozen=True, kw_only=True)
class Law:
    """How a slot starts (``dist``), is multiplied in the forward pass (``mult``) and moves.

    ``lr``, ``wd`` and ``eps`` are factors on the optimizer's own settings; ``train=False`` freezes the slot.
    The triple (mult, dist, lr) is the abc-parametrisation of Yang & Hu, arXiv 2011.14522. A ``joint`` slot is drawn
    together with others and a ``calibrated`` one from data, both by the init's hook; ``dist`` is then what the hook
    starts from.
    """

    dist: Dist
    mult: float = 1.0
    lr: float = 1.0
    wd: float = 1.0
    eps: float = 1.0
    train: bool = True
    joint: bool = False
    calibrated: bool = False

    @property
    def is_zero(self) -> bool:
        """The slot starts at exactly zero and no hook changes that."""
        return self.dist.mean == 0 and self.dist.std == 0 and not (self.joint or self.calibrated)

    def to_json(self) -> dict[str, Any]:
        hooked = self.joint or self.calibrated
        return {
            "dist": self.dist.name,
            "mean": self.dist.mean,
            "std": None if hooked else self.dist.std,
            **({"cut": self.dist.cut} if isinstance(self.dist, TruncNormal) else {}),
            **{key: getattr(self, key) for key in ("mult", "lr", "wd", "eps", "train", "joint", "calibrated")},
        }


NormPlacement: TypeAlias = Literal["pre", "post", "sandwich", "branch-out", "none"]
Positions: TypeAlias = Literal["learned", "sinusoidal", "rotary", "relative", "none"]


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The network around the weights. The defaults are GPT-2's; an init or a spec asks for something else.

    Norms stand before each branch (``pre``), after each addition (``post``), before each branch and on its output
    (``sandwich``), on its output alone (``branch-out``) or nowhere. ``sub_norm`` adds one before each branch's output
    projection, ``qk_norm`` one on every head's queries and keys. A ``one-plus`` norm multiplies by 1 + gain.
    ``channel_scales`` gives skip and branch scales one entry a channel; ``shared_scales`` gives a layer one branch
    scale for both its branches.
    """

    norm_at: NormPlacement = "pre"
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    norm_gain: Literal["plain", "one-plus"] = "plain"
    embed_norm: bool = False
    sub_norm: bool = False
    qk_norm: bool = False
    positions: Positions = "learned"
    parallel: bool = False
    softcap: float | None = None
    channel_scales: bool = False
    shared_scales: bool = False

    @property
    def norm_before(self) -> bool:
        return self.norm_at in ("pre", "sandwich")

    @property
    def norm_branch(self) -> bool:
        return self.norm_at in ("sandwich", "branch-out")

    @property
    def norm_after(self) -> bool:
        return self.norm_at == "post"

    @property
    def final_norm(self) -> bool:
        """Before the head; a post-norm block has just normalised."""
        return self.norm_at not in ("post", "none")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "final_norm": self.final_norm}


GPT2_TOPOLOGY = Topology()
