"""The one GPT, written for a single run: nanoGPT's function, with its slots named and its stream tapped.

It knows no init (parameters start as whatever memory held), no lanes and no probes. Axes: B batch, T tokens,
C width, H heads, V vocabulary. Parameter names are slot names (see ``initlab.slots``).
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.laws import Dims

Hook: TypeAlias = Callable[[str, Tensor], Tensor]
"""Called with a place's name and its tensor; returns the tensor the network goes on with."""

NORM_EPS = 1e-5


def untouched(place: str, x: Tensor) -> Tensor:
    return x


class Linear(nn.Module):
    """x Wᵀ + b with W of shape (fan_out, fan_in), uninitialised."""

    def __init__(self, fan_out: int, fan_in: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in))
        self.bias = nn.Parameter(torch.empty(fan_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Norm(nn.Module):
    """LayerNorm over channels, with an optional bias."""

    def __init__(self, width: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, NORM_EPS)


class Embedding(nn.Module):
    """A table of shape (entries, C), uninitialised."""

    def __init__(self, entries: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(entries, width))

    def forward(self, index: Tensor) -> Tensor:
        return F.embedding(index, self.weight)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dims: Dims, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.n_head = dims.n_head
        self.activation = activation
        self.attn_norm = Norm(dims.n_embd, bias=dims.bias)
        self.query, self.key, self.value, self.attn_out = (
            Linear(dims.n_embd, dims.n_embd, bias=dims.bias) for _ in range(4)
        )
        self.ffn_norm = Norm(dims.n_embd, bias=dims.bias)
        self.ffn_up = Linear(dims.ffn_hidden, dims.n_embd, bias=dims.bias)
        self.ffn_down = Linear(dims.n_embd, dims.ffn_hidden, bias=dims.bias)

    def forward(self, x: Tensor, tap: Hook, drop: Hook) -> Tensor:
        x = x + tap("attn_branch", drop("attn_out", self.attention(self.attn_norm(x), drop)))
        x = tap("residual", x)
        x = x + tap("mlp_branch", drop("mlp_out", self.mlp(self.ffn_norm(x))))
        return tap("residual", x)

    def attention(self, x: Tensor, drop: Hook) -> Tensor:
        """Causal multi-head attention, (B, T, C) to (B, T, C)."""
        q, k, v = (self._heads(project(x)) for project in (self.query, self.key, self.value))
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)  # (B, H, T, T)
        future = torch.full((x.shape[-2], x.shape[-2]), -math.inf, dtype=x.dtype, device=x.device).triu(1)
        weights = drop("attn_weights", (scores + future).softmax(-1))
        return self.attn_out((weights @ v).transpose(-3, -2).flatten(-2))

    def mlp(self, x: Tensor) -> Tensor:
        return self.ffn_down(self.activation(self.ffn_up(x)))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.n_head, -1)).transpose(-3, -2)  # (B, H, T, C/H)


class GPT(nn.Module):
    """Decoder-only transformer of the given sizes; ``forward`` returns (logits, loss)."""

    def __init__(self, dims: Dims, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.token_embedding = Embedding(dims.vocab_size, dims.n_embd)
        self.position_embedding = Embedding(dims.block_size, dims.n_embd)
        self.blocks = nn.ModuleList(Block(dims, activation) for _ in range(dims.n_layer))
        self.final_norm = Norm(dims.n_embd, bias=dims.bias)
        self.lm_head = None if dims.tied else Linear(dims.vocab_size, dims.n_embd, bias=False)

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, *, tap: Hook = untouched, drop: Hook = untouched
    ) -> tuple[Tensor, Tensor | None]:
        """Map (B, T) token ids to (B, T, V) logits and, given (B, T) targets, the mean loss in nats per token.

        ``tap`` sees ``residual`` after the embedding, after each attention and after each MLP, ``attn_branch``
        and ``mlp_branch`` before they are added, and ``logits``. ``drop`` sees the four places where nanoGPT
        drops: ``embedding``, ``attn_weights``, ``attn_out``, ``mlp_out``.
        """
        positions = torch.arange(tokens.shape[-1], device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        x = tap("residual", drop("embedding", x))
        for block in self.blocks:
            x = block(x, tap, drop)
        head = self.token_embedding.weight if self.lm_head is None else self.lm_head.weight
        logits = tap("logits", F.linear(self.final_norm(x), head))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def skeleton(dims: Dims, activation: Callable[[Tensor], Tensor]) -> GPT:
    """Return the model without memory, to be called with parameters from outside."""
    with torch.device("meta"):
        return GPT(dims, activation)
