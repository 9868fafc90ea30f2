"""What a slot is: one addressable part of a network, described without a tensor, and the roles it may have."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

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
