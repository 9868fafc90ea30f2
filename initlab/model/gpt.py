"""The one GPT, written for a single run: nanoGPT's function, with its slots named and its stream tapped.

It knows no init, no lanes and no probes. What an init asks of the network around its weights (multipliers, other
norms, other positions) are parts that exist or not; see ``initlab.model.layers``. Parameter names are slot names (see
``initlab.network.slot_table``), what ``tap`` is told are taps (``initlab.network.taps``).

Axes, here and in everything that calls the model::

    N lanes: networks of one shape, an axis that the engine adds in front of all others
    B batch, T tokens, C width of the residual stream, H heads, F hidden units of the MLP, V vocabulary
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.model.layers import (
    Builder,
    Embedding,
    Hook,
    Linear,
    Residual,
    Rotary,
    alibi,
    causal_mask,
    identity,
    relative_buckets,
    sinusoids,
)
from initlab.network import taps
from initlab.network.slot_table import Network, rotary_channels
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
from initlab.network.topology import ON_LOGITS, SINUSOIDAL


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), with the norms and multipliers where the network has them."""

    def __init__(
        self, builder: Builder, prefix: str, activation: Callable[[Tensor], Tensor], *, fused: bool = False
    ) -> None:
        super().__init__()
        topology, turned = builder.topology, rotary_channels(builder.dims.head_size, builder.topology.rotary_fraction)
        self.fused = fused and topology.positions not in ON_LOGITS
        self.n_head = builder.dims.n_head
        self.activation = activation
        self.parallel, self.own_norm = topology.parallel, topology.parallel_norms
        self.rotary = Rotary(turned) if topology.positions == "rotary" else nn.Identity()
        self.attn = Residual(builder, f"{prefix}.attn")
        self.query, self.key, self.value, self.attn_out = (
            Linear(builder, f"{prefix}.{role}") for role in (*QKV_ROLES, ATTN_OUT)
        )
        self.query_norm = builder.norm(f"{prefix}.query_norm", topology.qk_norm)
        self.key_norm = builder.norm(f"{prefix}.key_norm", topology.qk_norm)
        self.attn_scale = builder.attn_scale(f"{prefix}.{ATTN_SCALE}")
        self.attn_sub_norm = builder.norm(f"{prefix}.attn_sub_norm", topology.sub_norm)
        self.ffn = Residual(builder, f"{prefix}.ffn")
        self.ffn_gate = Linear(builder, f"{prefix}.{FFN_GATE}") if builder.dims.gated else None
        self.ffn_up = Linear(builder, f"{prefix}.{FFN_UP}")
        self.ffn_shift = builder.shift(f"{prefix}.ffn_shift")
        self.ffn_sub_norm = builder.norm(f"{prefix}.ffn_sub_norm", topology.sub_norm)
        self.ffn_down = Linear(builder, f"{prefix}.{FFN_DOWN}")
        self.branch_scale = builder.scale(f"{prefix}.{BRANCH_SCALE}")  # one for both branches, where they share it

    def forward(self, x: Tensor, mask: Tensor, tap: Hook, drop: Hook) -> Tensor:
        """Map the residual stream, (B, T, C) to (B, T, C)."""
        start, inputs = x, self.attn.pre(x)
        branch = self.branch_scale(self.attn.scale(self.attention(inputs, mask, tap, drop)))
        x = tap(taps.RESIDUAL, self.attn.add(x, tap(taps.ATTN_BRANCH, drop(ATTN_OUT, branch))))
        if not self.parallel:
            inputs = self.ffn.pre(x)
        elif self.own_norm:
            inputs = self.ffn.pre(start)
        branch = self.branch_scale(self.ffn.scale(self.mlp(inputs, tap)))
        return tap(taps.RESIDUAL, self.ffn.add(x, tap(taps.MLP_BRANCH, drop("mlp_out", branch))))

    def attention(self, x: Tensor, mask: Tensor, tap: Hook, drop: Hook) -> Tensor:
        """Multi-head attention, (B, T, C) to (B, T, C); ``mask`` of shape (T, T) or (H, T, T) is added to logits."""
        q = self.rotary(self.query_norm(self._heads(tap(QUERY, self.query(x)))))  # (B, H, T, C/H)
        k = self.rotary(self.key_norm(self._heads(tap(KEY, self.key(x)))))
        v = self._heads(tap(VALUE, self.value(x)))
        if self.fused:  # its mask is the causal one, and it shows no tap and no dropout the weights
            mixed = F.scaled_dot_product_attention(self.attn_scale(q), k, v, is_causal=True, scale=1.0)
        else:
            logits = tap(taps.ATTN_LOGITS, self.attn_scale(q) @ k.transpose(-2, -1) + mask)  # (B, H, T, T)
            mixed = drop("attn_weights", tap(taps.ATTN_WEIGHTS, logits.softmax(-1))) @ v
        mixed = mixed.transpose(-3, -2).flatten(-2)  # (B, H, T, C/H) -> (B, T, C)
        return tap(taps.ATTN_PROJECTION, self.attn_out(self.attn_sub_norm(mixed)))

    def mlp(self, x: Tensor, tap: Hook) -> Tensor:
        """Map (B, T, C) to (B, T, C) through F hidden units."""
        up = tap(FFN_UP, self.ffn_shift(self.ffn_up(x)))  # (B, T, F)
        if self.ffn_gate is None:
            hidden = self.activation(up)
        else:
            hidden = self.activation(tap(FFN_GATE, self.ffn_gate(x))) * up
        return tap(taps.FFN_PROJECTION, self.ffn_down(self.ffn_sub_norm(tap(taps.FFN_HIDDEN, hidden))))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.n_head, -1)).transpose(-3, -2)  # (B, T, C) -> (B, H, T, C/H)


class GPT(nn.Module):
    """Decoder-only transformer as ``network`` describes it; ``forward`` returns (logits, loss).

    ``activation`` acts on the hidden units of the MLP, or on its gate where the network has gated MLPs. ``fused``
    takes torch's fused attention where the mask is the causal one: it knows no position bias.
    """

    def __init__(self, network: Network, activation: Callable[[Tensor], Tensor], *, fused: bool = False) -> None:
        super().__init__()
        builder, topology = Builder(network), network.topology
        self.positions, self.n_head, self.softcap = topology.positions, network.dims.n_head, topology.softcap
        learned, relative = topology.positions == "learned", topology.positions == "relative"
        self.token_embedding = Embedding(builder, TOKEN_EMBEDDING)
        self.embed_scale = builder.scale(EMBED_SCALE)
        self.position_embedding = Embedding(builder, POSITION_EMBEDDING) if learned else None
        self.relative_position_bias = Embedding(builder, RELATIVE_POSITION_BIAS) if relative else None
        self.embed_norm = builder.norm("embed_norm", topology.embed_norm)
        self.blocks = nn.ModuleList(
            Block(builder, block_prefix(layer), activation, fused=fused) for layer in range(network.dims.n_layer)
        )
        self.final_norm = builder.norm("final_norm", topology.final_norm)
        self.logit_scale = builder.scale(LOGIT_SCALE)
        self.lm_head = None if network.dims.tied else Linear(builder, LM_HEAD)

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, *, tap: Hook = identity, drop: Hook = identity
    ) -> tuple[Tensor, Tensor | None]:
        """Map (B, T) token ids to (B, T, V) logits and, given (B, T) targets, the mean loss in nats per token.

        ``tap`` sees every tensor that ``initlab.network.taps`` declares, ``drop`` those at the four places where
        nanoGPT drops: ``embedding``, ``attn_weights``, ``attn_out``, ``mlp_out``.
        """
        x = tap(taps.RESIDUAL, drop("embedding", self.embed_norm(self.embed(tokens))))  # (B, T, C)
        mask = self.mask(tokens.shape[-1], x)  # (T, T) or (H, T, T)
        for block in self.blocks:
            x = block(x, mask, tap, drop)
        x = self.logit_scale(self.final_norm(x))
        logits = F.linear(x, self.token_embedding.matrix()) if self.lm_head is None else self.lm_head(x)  # (B, T, V)
        if self.softcap is not None:
            logits = self.softcap * (logits / self.softcap).tanh()
        # Under autocast the head's product is bfloat16, of 8 bits: the loss is computed in the stream's own type.
        logits = tap(taps.LOGITS, logits.to(x.dtype))
        if targets is None:
            return logits, None
        return logits, cross_entropy(logits, targets)

    def embed(self, tokens: Tensor) -> Tensor:
        """Map (B, T) ids to the (B, T, C) vectors that tokens and positions start as."""
        x = self.embed_scale(self.token_embedding(tokens))  # (B, T, C)
        if self.position_embedding is not None:
            return x + self.position_embedding(torch.arange(tokens.shape[-1], device=tokens.device))
        return x + sinusoids(tokens.shape[-1], x, self.positions) if self.positions in SINUSOIDAL else x

    def mask(self, tokens: int, like: Tensor) -> Tensor:
        """Return what is added to attention logits: -∞ for the future and, where it exists, the position bias."""
        causal = causal_mask(tokens, like)
        if self.positions == "alibi":
            return causal + alibi(tokens, self.n_head, like)  # (H, T, T)
        if self.relative_position_bias is None:
            return causal
        bias = self.relative_position_bias(relative_buckets(tokens, like.device))  # (T, T, H)
        return causal + bias.permute(2, 0, 1)  # (H, T, T)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss in nats per token of (..., V) logits and their targets.

    Not torch's own: mapped over lanes that is a decomposition in Python, which imports sympy, for 0.4 s a worker.
    """
    return -logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).mean()  # (..., V) -> (..., 1) -> ()


def skeleton(network: Network, activation: Callable[[Tensor], Tensor], *, fused: bool = False) -> GPT:
    """Return the model without memory, to be called with parameters from outside (``functional_call``)."""
    with torch.device("meta"):  # else torch would allocate a network that nobody reads
        return GPT(network, activation, fused=fused)
