"""Hugging Face's GPT-2: OpenAI's names and its matrices as (fan_in, fan_out), queries, keys and values in one.

huggingface/transformers, models/gpt2/modeling_gpt2.py (Conv1D, GPT2Attention).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from initlab.adapters.adapter import adapter
from initlab.adapters.decoder import Decoder
from initlab.adapters.hf_activations import hf_setting, our_name
from initlab.adapters.tensor_names import Names
from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import NORM_EPS
from initlab.network.topology import GPT2_TOPOLOGY, Topology

GPT2_NAMES = Names(
    root="transformer.",
    outside={"token_embedding": "wte", "position_embedding": "wpe", "final_norm": "ln_f"},
    block="h.{}",
    inside={
        "attn.norm": "ln_1",
        "query": "attn.c_attn",
        "key": "attn.c_attn",
        "value": "attn.c_attn",
        "attn_out": "attn.c_proj",
        "ffn.norm": "ln_2",
        "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj",
    },
)
GPT2_BUFFERS = (".attn.bias", ".attn.masked_bias")
"""Causal masks, which older versions keep among a model's tensors."""


@adapter("hf-gpt2")
class HfGpt2(Decoder):
    summary: ClassVar[str] = "Hugging Face's GPT2LMHeadModel"
    activation: ClassVar[str] = "gelu-tanh"
    topology: ClassVar[Topology] = GPT2_TOPOLOGY
    names: ClassVar[Names] = GPT2_NAMES
    settings: ClassVar[Mapping[str, str]] = {"n_head": "n_head", "block_size": "n_positions"}
    model_types: ClassVar[frozenset[str]] = frozenset({"gpt2"})
    buffers: ClassVar[tuple[str, ...]] = GPT2_BUFFERS
    conv1d: ClassVar[bool] = True
    always_biased: ClassVar[bool] = True

    def activation_of(self, config: Mapping[str, Any]) -> str | None:
        theirs = config.get("activation_function")
        return self.activation if theirs is None else our_name(theirs, gated=False)

    def config(self, blueprint: Blueprint, activation: str) -> dict[str, Any]:
        dims = blueprint.dims
        return {
            **{name: getattr(dims, name) for name in ("n_layer", "n_head", "n_embd", "vocab_size")},
            "n_positions": dims.block_size,
            "n_inner": dims.ffn_hidden,
            "layer_norm_epsilon": NORM_EPS,
            "tie_word_embeddings": dims.tied,
            **hf_setting("activation_function", activation),
        }
