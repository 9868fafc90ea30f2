"""Whose key names a checkpoint can be written in, and which networks each of them holds. Free of torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import NORM_EPS, ROTARY_BASE
from initlab.network.slots import SCALE_ROLES
from initlab.network.topology import GPT2_TOPOLOGY, Topology
from initlab.plugins.registry import Registry

ANY = "initlab"
"""The format that holds every network: slots by their own names, multipliers and all."""

Config: TypeAlias = Callable[[Blueprint, str], dict[str, Any]]
"""What the trainer's model must be configured with, from the network and its activation."""


@dataclass(frozen=True)
class Names:
    """The modules that hold each slot's tensors, outside the blocks and inside one.

    Slots that share a module are stacked along their outputs, in the order of the forward pass.
    """

    outside: Mapping[str, str]
    block: str
    inside: Mapping[str, str]

    def key(self, slot: str) -> str:
        """Return the name of the tensor that holds a slot of a network without multipliers."""
        path, _, kind = slot.rpartition(".")
        if not path.startswith("blocks."):
            return f"{self.outside[path]}.{kind}"
        _, layer, part = path.split(".", 2)
        return f"{self.block.format(layer)}.{self.inside[part]}.{kind}"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A model that is not ours: its names, the one network it is, and what may vary.

    ``defaults`` are the fields of a model spec, and ``activation`` the activation, where nobody asks for another.
    ``conv1d`` models keep a block's matrices as (fan_in, fan_out).
    """

    summary: str
    activation: str
    topology: Topology
    names: Names
    config: Config
    defaults: Mapping[str, Any] = field(default_factory=dict)
    gated: bool = False
    always_biased: bool = False
    always_tied: bool = False
    ffn_ratio: int | None = None
    conv1d: bool = False

    def biased(self, blueprint: Blueprint) -> bool:
        return self.always_biased or any(slot.role in ("bias", "norm_bias") for slot, _ in blueprint.laws)

    def misfit(self, blueprint: Blueprint, activation: str) -> str | None:
        """Say which feature of the network the format has no place for, None where it has one for all."""
        dims = blueprint.dims
        for feature in HELD:
            held, found = getattr(self.topology, feature), getattr(blueprint.topology, feature)
            if found != held:
                return f"it has {feature} = {_toml(held)}, the network {feature} = {_toml(found)}"
        if dims.gated != self.gated:
            ours, theirs = ("a", "no") if dims.gated else ("no", "a")
            return (
                f"its MLP has {theirs} gate, one with activation {activation!r} has {ours} gate: "
                f"leave --activation out for {self.activation}"
            )
        if self.always_tied and not dims.tied:
            return "it ties the head to the token embedding, which the network does not: --tied does"
        if self.ffn_ratio is not None and dims.ffn_hidden != self.ffn_ratio * dims.n_embd:
            return f"its MLP has {self.ffn_ratio} · n_embd hidden units, the network's {dims.ffn_hidden}"
        return unfoldable(blueprint)


HELD = ("norm_at", "norm", "positions", "embed_norm", "sub_norm", "qk_norm", "parallel", "softcap")
"""What of a topology must be the format's own; a one-plus gain and multipliers can be folded into tensors."""


FOLDABLE: frozenset[str] = SCALE_ROLES - {"skip_scale"}
"""Multipliers that another tensor can take up. One on the skip path, or a bias before a matrix, has nowhere to go."""


def unfoldable(blueprint: Blueprint) -> str | None:
    """Say which multiplier cannot be folded: one that is trained, or that no tensor could take up."""
    for slot, law in blueprint.laws:
        if slot.is_extra and slot.role not in FOLDABLE:
            return f"the network has {slot.name}, a {slot.role}, which no other tensor can take up"
        if slot.is_extra and law.train:
            return f"the network trains {slot.name}, a {slot.role}, which the format has no tensor for"
    return None


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | None) else f"{value!r}".replace("'", '"')


HF_NAMES = {
    "gelu": "gelu",
    "gelu-tanh": "gelu_new",
    "gelu-sigmoid": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "relu6": "relu6",
    "leaky-relu": "leaky_relu",
    "silu": "silu",
    "mish": "mish",
    "hard-swish": "hardswish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "identity": "linear",
    "swiglu": "silu",
    "geglu": "gelu",
    "geglu-tanh": "gelu_pytorch_tanh",
    "reglu": "relu",
    "glu": "sigmoid",
    "bilinear": "linear",
}
"""Hugging Face's names of activations, a gated one's being its gate's; it has none for the others."""


def _nanogpt_config(blueprint: Blueprint, activation: str) -> dict[str, Any]:
    dims = blueprint.dims
    sizes = {name: getattr(dims, name) for name in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")}
    return {**sizes, "bias": NANOGPT.biased(blueprint)}


def _gpt2_config(blueprint: Blueprint, activation: str) -> dict[str, Any]:
    dims = blueprint.dims
    return {
        **{name: getattr(dims, name) for name in ("n_layer", "n_head", "n_embd", "vocab_size")},
        "n_positions": dims.block_size,
        "n_inner": dims.ffn_hidden,
        "layer_norm_epsilon": NORM_EPS,
        "tie_word_embeddings": dims.tied,
        **_named("activation_function", activation),
    }


def _llama_config(blueprint: Blueprint, activation: str) -> dict[str, Any]:
    dims, biased = blueprint.dims, LLAMA.biased(blueprint)
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
        **_named("hidden_act", activation),
    }


def _named(key: str, activation: str) -> dict[str, str]:
    return {key: HF_NAMES[activation]} if activation in HF_NAMES else {}


GPT2_NAMES = Names(
    outside={
        "token_embedding": "transformer.wte",
        "position_embedding": "transformer.wpe",
        "final_norm": "transformer.ln_f",
        "lm_head": "lm_head",
    },
    block="transformer.h.{}",
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
LLAMA_NAMES = Names(
    outside={"token_embedding": "model.embed_tokens", "final_norm": "model.norm", "lm_head": "lm_head"},
    block="model.layers.{}",
    inside={
        "attn.norm": "input_layernorm",
        "query": "self_attn.q_proj",
        "key": "self_attn.k_proj",
        "value": "self_attn.v_proj",
        "attn_out": "self_attn.o_proj",
        "ffn.norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    },
)
NANOGPT = Format(
    summary="nanoGPT's model.py",
    activation="gelu",
    topology=GPT2_TOPOLOGY,
    names=GPT2_NAMES,
    config=_nanogpt_config,
    always_tied=True,
    ffn_ratio=4,
)
HF_GPT2 = Format(
    summary="Hugging Face's GPT2LMHeadModel",
    activation="gelu-tanh",
    topology=GPT2_TOPOLOGY,
    names=GPT2_NAMES,
    config=_gpt2_config,
    always_biased=True,
    conv1d=True,
)
LLAMA = Format(
    summary="Hugging Face's LlamaForCausalLM",
    activation="swiglu",
    topology=Topology(norm="rmsnorm", positions="rotary"),
    names=LLAMA_NAMES,
    config=_llama_config,
    defaults={"norm": "rmsnorm", "positions": "rotary", "bias": False},
    gated=True,
)
FORMATS: Registry[Format | None] = Registry("format")
"""None writes slots under their own names."""
FORMATS.add("nanogpt", NANOGPT)
FORMATS.add("hf-gpt2", HF_GPT2)
FORMATS.add("hf-llama", LLAMA)
FORMATS.add(ANY, None)
