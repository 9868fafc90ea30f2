"""The one GPT, written for a single run: nanoGPT's function, with its slots named and its stream tapped.

It knows no init, no lanes and no probes. What an init asks of the network around its weights (multipliers, other
norms, other positions) are parts that exist or not; see ``initlab.model.layers``. Axes: B batch, T tokens, C width,
H heads, V vocabulary. Parameter names are slot names (see ``initlab.network.slot_table``).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.model.layers import (
    Embedding,
    Hook,
    Linear,
    Parts,
    Residual,
    causal_mask,
    relative_buckets,
    rotate,
    sinusoids,
    untouched,
)
from initlab.network import taps
from initlab.network.slot_table import Network
from initlab.network.slots import (
    ATTN_OUT,
    ATTN_SCALE,
    BRANCH_SCALE,
    EMBED_SCALE,
    FFN_DOWN,
    FFN_GATE,
    FFN_UP,
    KEY,
    LM_HEAD,
    LOGIT_SCALE,
    POSITION_EMBEDDING,
    QKV_ROLES,
    QUERY,
    RELATIVE_POSITION_BIAS,
    TOKEN_EMBEDDING,
    VALUE,
    block_prefix,
)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), with the norms and multipliers where the network has them."""

    def __init__(
        self, parts: Parts, prefix: str, activation: Callable[[Tensor], Tensor], *, fused: bool = False
    ) -> None:
        super().__init__()
        topology = parts.topology
        self.fused = fused and topology.positions != "relative"
        self.n_head = parts.dims.n_head
        self.activation = activation
        self.parallel = topology.parallel
        self.turn = rotate if topology.positions == "rotary" else nn.Identity()
        self.attn = Residual(parts, f"{prefix}.attn")
        self.query, self.key, self.value, self.attn_out = (
            Linear(parts, f"{prefix}.{role}") for role in (*QKV_ROLES, ATTN_OUT)
        )
        self.query_norm = parts.norm(f"{prefix}.query_norm", topology.qk_norm)
        self.key_norm = parts.norm(f"{prefix}.key_norm", topology.qk_norm)
        self.attn_scale = parts.attn_scale(f"{prefix}.{ATTN_SCALE}")
        self.attn_sub_norm = parts.norm(f"{prefix}.attn_sub_norm", topology.sub_norm)
        self.ffn = Residual(parts, f"{prefix}.ffn")
        self.ffn_gate = Linear(parts, f"{prefix}.{FFN_GATE}") if parts.dims.gated else None
        self.ffn_up = Linear(parts, f"{prefix}.{FFN_UP}")
        self.ffn_shift = parts.shift(f"{prefix}.ffn_shift")
        self.ffn_sub_norm = parts.norm(f"{prefix}.ffn_sub_norm", topology.sub_norm)
        self.ffn_down = Linear(parts, f"{prefix}.{FFN_DOWN}")
        self.branch_scale = parts.scale(f"{prefix}.{BRANCH_SCALE}")  # one for both branches, where they share it

    def forward(self, x: Tensor, mask: Tensor, tap: Hook, drop: Hook) -> Tensor:
        inputs = self.attn.read(x)
        branch = self.branch_scale(self.attn.weigh(self.attention(inputs, mask, tap, drop)))
        x = tap(taps.RESIDUAL, self.attn.write(x, tap(taps.ATTN_BRANCH, drop("attn_out", branch))))
        inputs = inputs if self.parallel else self.ffn.read(x)
        branch = self.branch_scale(self.ffn.weigh(self.mlp(inputs, tap)))
        return tap(taps.RESIDUAL, self.ffn.write(x, tap(taps.MLP_BRANCH, drop("mlp_out", branch))))

    def attention(self, x: Tensor, mask: Tensor, tap: Hook, drop: Hook) -> Tensor:
        """Multi-head attention, (B, T, C) to (B, T, C); ``mask`` of shape (T, T) or (H, T, T) is added to logits."""
        q = self.turn(self.query_norm(self._heads(tap(QUERY, self.query(x)))))
        k = self.turn(self.key_norm(self._heads(tap(KEY, self.key(x)))))
        v = self._heads(tap(VALUE, self.value(x)))
        if self.fused:  # for a mask that is the causal one, where no dropout wants to see the weights
            mixed = F.scaled_dot_product_attention(self.attn_scale(q), k, v, is_causal=True, scale=1.0)
        else:
            logits = tap(taps.ATTN_LOGITS, self.attn_scale(q) @ k.transpose(-2, -1) + mask)  # (B, H, T, T)
            mixed = drop("attn_weights", tap(taps.ATTN_WEIGHTS, logits.softmax(-1))) @ v
        mixed = mixed.transpose(-3, -2).flatten(-2)
        return tap(taps.ATTN_PROJECTION, self.attn_out(self.attn_sub_norm(mixed)))

    def mlp(self, x: Tensor, tap: Hook) -> Tensor:
        up = tap(FFN_UP, self.ffn_shift(self.ffn_up(x)))
        if self.ffn_gate is None:
            hidden = self.activation(up)
        else:
            hidden = self.activation(tap(FFN_GATE, self.ffn_gate(x))) * up
        return tap(taps.FFN_PROJECTION, self.ffn_down(self.ffn_sub_norm(tap(taps.FFN_HIDDEN, hidden))))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.n_head, -1)).transpose(-3, -2)  # (B, H, T, C/H)


class GPT(nn.Module):
    """Decoder-only transformer as ``network`` describes it; ``forward`` returns (logits, loss).

    ``activation`` acts on the hidden units of the MLP, or on its gate where the network has gated MLPs. ``fused``
    takes torch's fused attention, which knows no position bias and shows nobody its weights.
    """

    def __init__(self, network: Network, activation: Callable[[Tensor], Tensor], *, fused: bool = False) -> None:
        super().__init__()
        parts, topology = Parts(network), network.topology
        self.positions, self.softcap = topology.positions, topology.softcap
        learned, relative = topology.positions == "learned", topology.positions == "relative"
        self.token_embedding = Embedding(parts, TOKEN_EMBEDDING)
        self.embed_scale = parts.scale(EMBED_SCALE)
        self.position_embedding = Embedding(parts, POSITION_EMBEDDING) if learned else None
        self.relative_position_bias = Embedding(parts, RELATIVE_POSITION_BIAS) if relative else None
        self.embed_norm = parts.norm("embed_norm", topology.embed_norm)
        self.blocks = nn.ModuleList(
            Block(parts, block_prefix(layer), activation, fused=fused) for layer in range(network.dims.n_layer)
        )
        self.final_norm = parts.norm("final_norm", topology.final_norm)
        self.logit_scale = parts.scale(LOGIT_SCALE)
        self.lm_head = None if network.dims.tied else Linear(parts, LM_HEAD)

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, *, tap: Hook = untouched, drop: Hook = untouched
    ) -> tuple[Tensor, Tensor | None]:
        """Map (B, T) token ids to (B, T, V) logits and, given (B, T) targets, the mean loss in nats per token.

        ``tap`` sees what ``initlab.network.taps`` lists, in the order of the computation, and ``drop`` the four
        places where nanoGPT drops: ``embedding``, ``attn_weights``, ``attn_out``, ``mlp_out``.
        """
        x = tap(taps.RESIDUAL, drop("embedding", self.embed_norm(self.embed(tokens))))
        mask = self.mask(tokens.shape[-1], x)
        for block in self.blocks:
            x = block(x, mask, tap, drop)
        x = self.logit_scale(self.final_norm(x))
        logits = F.linear(x, self.token_embedding.matrix()) if self.lm_head is None else self.lm_head(x)
        if self.softcap is not None:
            logits = self.softcap * (logits / self.softcap).tanh()
        logits = tap(taps.LOGITS, logits.to(x.dtype))  # rounded products end here: the loss is not one
        if targets is None:
            return logits, None
        return logits, cross_entropy(logits, targets)

    def embed(self, tokens: Tensor) -> Tensor:
        """Map (B, T) ids to the (B, T, C) vectors that tokens and positions start as."""
        x = self.embed_scale(self.token_embedding(tokens))
        if self.position_embedding is not None:
            return x + self.position_embedding(torch.arange(tokens.shape[-1], device=tokens.device))
        return x + sinusoids(tokens.shape[-1], x) if self.positions == "sinusoidal" else x

    def mask(self, tokens: int, like: Tensor) -> Tensor:
        """Return what is added to attention logits: -∞ for the future and, where it exists, the position bias."""
        causal = causal_mask(tokens, like)
        if self.relative_position_bias is None:
            return causal
        return causal + self.relative_position_bias(relative_buckets(tokens, like.device)).permute(2, 0, 1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss in nats per token of (..., V) logits and their targets.

    Not torch's own: mapped over lanes that is a decomposition in Python, which imports sympy, for 0.4 s a worker.
    """
    return -logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).mean()


def skeleton(network: Network, activation: Callable[[Tensor], Tensor], *, fused: bool = False) -> GPT:
    """Return the model without memory, to be called with parameters from outside."""
    with torch.device("meta"):
        return GPT(network, activation, fused=fused)
