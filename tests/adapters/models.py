"""Models that are not ours, small: nanoGPT's structure written out by hand, and networks under a family's names."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.adapters.adapter import Adapter, SlotMap
from initlab.adapters.slicing import from_slots
from initlab.inits.catalogue import blueprint_for
from initlab.network.blueprint import Blueprint
from initlab.spec.run import ModelSpec
from tests.networks import Tensors, random_values

SIZES: dict[str, Any] = {"n_layer": 3, "n_head": 4, "n_embd": 32, "block_size": 12, "vocab_size": 23}
"""All differ, so that no two axes can be confused."""


def blueprint(activation: str = "gelu", init: str = "gpt2", **model: Any) -> Blueprint:
    return blueprint_for(ModelSpec(**{**SIZES, **model}), init, activation, 23)


def own_blueprint(adapter: Adapter, **model: Any) -> Blueprint:
    """Return a network that fits a family."""
    fitting = blueprint(adapter.activation, **{**adapter.defaults, **model})
    assert adapter.misfit(fitting, adapter.activation) is None
    return fitting


def written_model(adapter: Adapter, *, seed: int = 0, **model: Any) -> tuple[SlotMap, Tensors, Tensors]:
    """Return where a fitting network's slots go, random values of them, and the family's tensors that hold them."""
    slot_map = adapter.written(own_blueprint(adapter, **model))
    slots = random_values(slot_map.network.slots, seed=seed)
    return slot_map, slots, from_slots(slot_map, slots)


class LayerNorm(nn.Module):
    """A norm with a gain, and a bias or none."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, block_size: int, bias: bool) -> None:
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width, bias=bias)
        self.c_proj = nn.Linear(width, width, bias=bias)
        self.heads = heads
        self.bias: Tensor
        self.register_buffer("bias", torch.ones(block_size, block_size).tril()[None, None])

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, -1))
        logits = q @ k.mT / q.shape[-1] ** 0.5
        weights = logits.masked_fill(self.bias[..., : x.shape[1], : x.shape[1]] == 0, float("-inf")).softmax(-1)
        return self.c_proj((weights @ v).transpose(1, 2).flatten(-2))


class Mlp(nn.Module):
    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width, bias=bias)
        self.c_proj = nn.Linear(4 * width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, block_size: int, bias: bool) -> None:
        super().__init__()
        self.ln_1, self.attn = LayerNorm(width, bias), Attention(width, heads, block_size, bias)
        self.ln_2, self.mlp = LayerNorm(width, bias), Mlp(width, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class NanoGptModel(nn.Module):
    """What karpathy/nanoGPT's README and the names in its checkpoints say its model is, written from that alone."""

    def __init__(
        self, n_layer: int, n_head: int, n_embd: int, block_size: int, vocab_size: int, bias: bool = True
    ) -> None:
        super().__init__()
        blocks = [Block(n_embd, n_head, block_size, bias) for _ in range(n_layer)]
        self.transformer = nn.Module()
        self.transformer.wte = nn.Embedding(vocab_size, n_embd)
        self.transformer.wpe = nn.Embedding(block_size, n_embd)
        self.transformer.h = nn.Sequential(*blocks)
        self.transformer.ln_f = LayerNorm(n_embd, bias)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, tokens: Tensor) -> Tensor:
        parts: Any = self.transformer
        x = parts.h(parts.wte(tokens) + parts.wpe(torch.arange(tokens.shape[-1])))
        return self.lm_head(parts.ln_f(x))


def away_from_trivial(model: nn.Module, seed: int = 0) -> None:
    """Move every parameter off its start, so that no gain of 1 and no bias of 0 can hide a wrong name."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
