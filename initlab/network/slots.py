"""What a slot is: one addressable part of a network, described without a tensor, and the roles it may have."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from initlab.network.topology import Dims

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
"""Every role by its name. The constants below are how code spells them: a misspelt one does not import."""

TOKEN_EMBEDDING: Final = "token_embedding"
POSITION_EMBEDDING: Final = "position_embedding"
RELATIVE_POSITION_BIAS: Final = "relative_position_bias"
QUERY: Final = "query"
KEY: Final = "key"
VALUE: Final = "value"
ATTN_OUT: Final = "attn_out"
FFN_GATE: Final = "ffn_gate"
FFN_UP: Final = "ffn_up"
FFN_DOWN: Final = "ffn_down"
LM_HEAD: Final = "lm_head"
NORM_GAIN: Final = "norm_gain"
NORM_BIAS: Final = "norm_bias"
BIAS: Final = "bias"
EMBED_SCALE: Final = "embed_scale"
SKIP_SCALE: Final = "skip_scale"
BRANCH_SCALE: Final = "branch_scale"
NORM_SCALE: Final = "norm_scale"
ATTN_SCALE: Final = "attn_scale"
LOGIT_SCALE: Final = "logit_scale"
MATRIX_SCALE: Final = "matrix_scale"
SCALAR_BIAS: Final = "scalar_bias"

QKV_ROLES: tuple[Role, ...] = (QUERY, KEY, VALUE)
"""The matrices that read attention's input, in the order in which fused tensors stack them."""

FFN_INPUT_ROLES: tuple[Role, ...] = (FFN_GATE, FFN_UP)
"""The matrices that read the MLP's input; a network without gates has only the second."""

ATTENTION_ROLES: frozenset[Role] = frozenset({*QKV_ROLES, ATTN_OUT})

FFN_ROLES: frozenset[Role] = frozenset({*FFN_INPUT_ROLES, FFN_DOWN})

HIDDEN_ROLES: frozenset[Role] = ATTENTION_ROLES | FFN_ROLES

LINEAR_ROLES: frozenset[Role] = HIDDEN_ROLES | {LM_HEAD}

EMBEDDING_ROLES: frozenset[Role] = frozenset({TOKEN_EMBEDDING, POSITION_EMBEDDING})

RESIDUAL_WRITERS: frozenset[Role] = frozenset({ATTN_OUT, FFN_DOWN})

SCALE_ROLES: frozenset[Role] = frozenset(
    {EMBED_SCALE, SKIP_SCALE, BRANCH_SCALE, NORM_SCALE, ATTN_SCALE, LOGIT_SCALE, MATRIX_SCALE}
)

EXTRA_ROLES: frozenset[Role] = SCALE_ROLES | {SCALAR_BIAS}
"""Slots that a plain GPT lacks: they exist only where an init gives them a law."""


def block_prefix(layer: int) -> str:
    """Return what the names of a block's slots begin with."""
    return f"blocks.{layer}"


def weight_name(role: Role, layer: int | None = None) -> str:
    """Return the name of a matrix or table by its role, inside a block where ``layer`` is one.

    ``weight_name("query", 3)`` is ``blocks.3.query.weight``, ``weight_name("lm_head")`` is ``lm_head.weight``.
    """
    return f"{role}.weight" if layer is None else f"{block_prefix(layer)}.{role}.weight"


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
        return self.role in LINEAR_ROLES or LM_HEAD in self.aliases

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
