"""nanoGPT: GPT-2's names, matrices as torch's linear layers have them, queries, keys and values in one.

karpathy/nanoGPT, model.py (CausalSelfAttention, GPT): the head is always the token table.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from initlab.adapters.adapter import adapter
from initlab.adapters.decoder import Decoder
from initlab.adapters.hf_gpt2 import GPT2_NAMES
from initlab.adapters.tensor_names import Names
from initlab.network.blueprint import Blueprint
from initlab.network.topology import GPT2_TOPOLOGY, Topology


@adapter("nanogpt")
class NanoGpt(Decoder):
    summary: ClassVar[str] = "nanoGPT's model.py"
    activation: ClassVar[str] = "gelu"
    topology: ClassVar[Topology] = GPT2_TOPOLOGY
    names: ClassVar[Names] = GPT2_NAMES
    settings: ClassVar[Mapping[str, str]] = {"n_head": "n_head", "block_size": "block_size"}
    buffers: ClassVar[tuple[str, ...]] = (".attn.bias",)  # the causal mask, where torch has no fused attention
    always_tied: ClassVar[bool] = True
    ffn_ratio: ClassVar[int | None] = 4

    def config(self, blueprint: Blueprint, activation: str) -> dict[str, Any]:
        sizes = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")
        return {**{name: getattr(blueprint.dims, name) for name in sizes}, "bias": self.biased(blueprint)}
