"""Hugging Face's Llama, and what has its names: Mistral, Qwen 2 and 3. Keys and values may be fewer than queries.

huggingface/transformers, models/llama/modeling_llama.py (LlamaAttention, LlamaMLP).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from initlab.adapters.adapter import adapter
from initlab.adapters.decoder import Decoder
from initlab.adapters.hf_activations import hf_setting, our_name
from initlab.adapters.shapes import DecoderShapes
from initlab.adapters.tensor_names import Names
from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import NORM_EPS, ROTARY_BASE
from initlab.network.topology import Topology


@adapter("hf-llama")
class HfLlama(Decoder):
    summary: ClassVar[str] = "Hugging Face's LlamaForCausalLM"
    activation: ClassVar[str] = "swiglu"
    defaults: ClassVar[Mapping[str, Any]] = {"norm": "rmsnorm", "positions": "rotary", "bias": False}
    topology: ClassVar[Topology] = Topology(norm="rmsnorm", positions="rotary")
    names: ClassVar[Names] = Names(
        root="model.",
        outside={"token_embedding": "embed_tokens", "final_norm": "norm"},
        block="layers.{}",
        inside={
            "attn.norm": "input_layernorm",
            "query": "self_attn.q_proj",
            "key": "self_attn.k_proj",
            "value": "self_attn.v_proj",
            "query_norm": "self_attn.q_norm",
            "key_norm": "self_attn.k_norm",
            "attn_out": "self_attn.o_proj",
            "ffn.norm": "post_attention_layernorm",
            "ffn_gate": "mlp.gate_proj",
            "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj",
        },
    )
    settings: ClassVar[Mapping[str, str]] = {
        "n_head": "num_attention_heads",
        "block_size": "max_position_embeddings",
    }
    model_types: ClassVar[frozenset[str]] = frozenset({"llama", "mistral", "qwen2", "qwen3"})
    buffers: ClassVar[tuple[str, ...]] = (".rotary_emb.inv_freq",)  # in models saved by older versions
    tied: ClassVar[bool] = False
    gated: ClassVar[bool] = True

    def topology_of(self, shapes: DecoderShapes) -> Topology:
        return replace(self.topology, qk_norm=shapes.has("blocks.0.query_norm.weight"))

    def activation_of(self, config: Mapping[str, Any]) -> str | None:
        theirs = config.get("hidden_act")
        return self.activation if theirs is None else our_name(theirs, gated=True)

    def config(self, blueprint: Blueprint, activation: str) -> dict[str, Any]:
        dims, biased = blueprint.dims, self.biased(blueprint)
        return {
            "hidden_size": dims.n_embd,
            "intermediate_size": dims.ffn_hidden,
            "num_hidden_layers": dims.n_layer,
            "num_attention_heads": dims.n_head,
            "num_key_value_heads": dims.n_head,
            "max_position_embeddings": dims.block_size,
            "vocab_size": dims.vocab_size,
            "rms_norm_eps": NORM_EPS,
            "rope_theta": ROTARY_BASE,
            "attention_bias": biased,
            "mlp_bias": biased,
            "tie_word_embeddings": dims.tied,
            **hf_setting("hidden_act", activation),
        }
