"""initlab's topologies against models of Hugging Face that have them: Llama, Gemma, OLMo 2, Phi, and T5's buckets.

Their RMSNorm and rotary angles are float32 whatever the model's type is, so float32's tolerance is what there is.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from initlab.model.layers import relative_buckets
from initlab.network.slot_table import NORM_EPS, Network, gpt_slots, possible_slots
from initlab.network.topology import Dims, Topology
from tests.conftest import optional_module
from tests.networks import Tensors, holding, random_tokens, random_values, tiny

transformers = optional_module("transformers")
pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread")]

FLOAT32 = 1e-5
"""Largest difference over the rms of the logits: float32 rounds at 6e-8, and two layers of sums lose two digits."""

BLOCK = "model.layers.{}."
LLAMA = {
    "token_embedding": "model.embed_tokens",
    "final_norm": "model.norm",
    "lm_head": "lm_head",
    "attn.norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ffn.norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Family:
    """A Hugging Face model class, the network that it is, and where it keeps what."""

    model: str
    config: str
    dims: Dims
    topology: Topology
    activation: str
    modules: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, float] = field(default_factory=dict)
    twins: tuple[dict[str, Any], ...] = ()

    def network(self, **changes: Any) -> Network:
        topology = replace(self.topology, **changes)
        slots = possible_slots(self.dims, topology)
        return Network(self.dims, topology, tuple(s for s in slots if not s.is_extra or s.name in self.extras))

    def tensors(self) -> Tensors:
        found = random_values(self.network().slots)
        return {**found, **{name: torch.tensor(value) for name, value in self.extras.items()}}

    def theirs(self, tensors: Tensors) -> Any:
        """Return Hugging Face's model with these weights: strictly, every key of one side has one on the other."""
        dims = self.dims
        sizes = {
            "vocab_size": dims.vocab_size,
            "hidden_size": dims.n_embd,
            "intermediate_size": dims.ffn_hidden,
            "num_hidden_layers": dims.n_layer,
            "num_attention_heads": dims.n_head,
            "num_key_value_heads": dims.n_head,
            "max_position_embeddings": dims.block_size,
            "tie_word_embeddings": dims.tied,
            **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),
        }
        config = getattr(transformers, self.config)(**sizes, **self.settings)
        model = getattr(transformers, self.model)(config).eval()
        state = {self.key(name): x for name, x in tensors.items() if name not in self.extras}
        if dims.tied:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        if self.model == "PhiForCausalLM":
            state["lm_head.bias"] = torch.zeros(dims.vocab_size)
        model.load_state_dict(state)
        return model

    def key(self, slot: str) -> str:
        path, _, kind = slot.rpartition(".")
        if not path.startswith("blocks."):
            return f"{self.modules[path]}.{kind}"
        _, layer, part = path.split(".", 2)
        return f"{BLOCK.format(layer)}{self.modules[part]}.{kind}"


GATED = tiny(gated=True, bias=False, tied=False)
ROTARY_RMS = Topology(norm="rmsnorm", positions="rotary")
EPS = {"rms_norm_eps": NORM_EPS}
GEMMA = {**EPS, "head_dim": 8, "hidden_activation": "gelu_pytorch_tanh"}
TIED = replace(GATED, tied=True)
SQRT_WIDTH = {"embed_scale.weight": math.sqrt(GATED.n_embd)}

FAMILIES = {
    "llama": Family(
        *("LlamaForCausalLM", "LlamaConfig", GATED, ROTARY_RMS, "swiglu", LLAMA),
        settings=EPS,
        twins=({"norm": "layernorm"}, {"positions": "none"}, {"parallel": True}, {"norm_gain": "one-plus"}),
    ),
    "llama, tied": Family(
        *("LlamaForCausalLM", "LlamaConfig", TIED, ROTARY_RMS, "swiglu", LLAMA),
        settings=EPS,
        twins=({"softcap": 5.0},),
    ),
    "gemma": Family(
        *("GemmaForCausalLM", "GemmaConfig", TIED, replace(ROTARY_RMS, norm_gain="one-plus"), "geglu-tanh", LLAMA),
        settings=GEMMA,
        extras=SQRT_WIDTH,
        twins=({"norm_gain": "plain"},),
    ),
    "gemma 2": Family(
        *("Gemma2ForCausalLM", "Gemma2Config", TIED),
        replace(ROTARY_RMS, norm_gain="one-plus", norm_at="sandwich", softcap=3.0),
        "geglu-tanh",
        {
            **LLAMA,
            "attn.branch_norm": "post_attention_layernorm",
            "ffn.norm": "pre_feedforward_layernorm",
            "ffn.branch_norm": "post_feedforward_layernorm",
        },
        settings={
            **GEMMA,
            "final_logit_softcapping": 3.0,
            "attn_logit_softcapping": None,
            "query_pre_attn_scalar": 8,
            "attn_implementation": "eager",
        },
        extras=SQRT_WIDTH,
        twins=({"softcap": None}, {"softcap": 4.0}, {"norm_at": "pre"}, {"norm_at": "branch-out"}),
    ),
    "olmo 2, one head": Family(  # its query and key norms span all heads, ours each head
        *("Olmo2ForCausalLM", "Olmo2Config", replace(GATED, n_head=1)),
        replace(ROTARY_RMS, norm_at="branch-out", qk_norm=True),
        "swiglu",
        {
            **LLAMA,
            "attn.branch_norm": "post_attention_layernorm",
            "ffn.branch_norm": "post_feedforward_layernorm",
            "query_norm": "self_attn.q_norm",
            "key_norm": "self_attn.k_norm",
        },
        settings=EPS,
        twins=({"qk_norm": False}, {"norm_at": "sandwich"}, {"norm_at": "post"}),
    ),
    "phi": Family(
        *("PhiForCausalLM", "PhiConfig", tiny(tied=False), Topology(parallel=True, positions="rotary"), "gelu-tanh"),
        {
            **LLAMA,
            "final_norm": "model.final_layernorm",
            "attn_out": "self_attn.dense",
            "ffn_up": "mlp.fc1",
            "ffn_down": "mlp.fc2",
        },
        settings={"layer_norm_eps": NORM_EPS, "partial_rotary_factor": 1.0, "resid_pdrop": 0.0},
        twins=({"parallel": False}, {"norm": "rmsnorm"}),
    ),
}
FAMILIES["phi, half rotary"] = replace(
    FAMILIES["phi"],
    topology=replace(FAMILIES["phi"].topology, rotary_fraction=0.5),
    settings={**FAMILIES["phi"].settings, "partial_rotary_factor": 0.5},
    twins=({"rotary_fraction": 1.0}, {"positions": "none"}),
)


def compared(family: Family, network: Network, tensors: Tensors, activation: str | None = None) -> float:
    """Return the largest difference between the logits of ``network`` and Hugging Face's, over their rms."""
    tokens = random_tokens(family.dims)
    with torch.no_grad():
        expected = family.theirs(family.tensors())(tokens).logits
        found = holding(network, tensors, activation or family.activation)(tokens)[0]
    return float((found - expected).abs().max() / expected.square().mean().sqrt())


def fitted(network: Network, tensors: Tensors) -> Tensors:
    """Return the tensors of another topology's slots; those it has besides start trivial."""
    trivial = {slot.name: torch.full(slot.shape, float(slot.role == "norm_gain")) for slot in network.slots}
    return {name: tensors.get(name, value) for name, value in trivial.items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_hugging_faces(name: str) -> None:
    family = FAMILIES[name]
    assert compared(family, family.network(), family.tensors()) < FLOAT32


@pytest.mark.parametrize(("name", "change"), [(n, twin) for n, family in FAMILIES.items() for twin in family.twins])
def test_another_topology_is_told_apart(name: str, change: dict[str, Any]) -> None:
    family = FAMILIES[name]
    network = family.network(**change)
    assert compared(family, network, fitted(network, family.tensors())) > 1e-2


FUSED: dict[str, tuple[str, dict[str, Any], Topology, dict[str, str], tuple[dict[str, Any], ...]]] = {
    "GPTNeoX": (
        "gpt_neox.layers",
        {"hidden_act": "gelu_new", "rotary_pct": 0.25, "tie_word_embeddings": False},
        Topology(positions="rotary", rotary_fraction=0.25, parallel=True, parallel_norms=True),
        {
            "token_embedding": "gpt_neox.embed_in", "final_norm": "gpt_neox.final_layer_norm", "lm_head": "lm_head",
            "attn.norm": "input_layernorm", "ffn.norm": "post_attention_layernorm", "attn_out": "attention.dense",
            "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h", "fused": "attention.query_key_value",
        },
        ({"rotary_fraction": 0.5}, {"parallel_norms": False}, {"parallel": False, "parallel_norms": False}),
    ),
    "Bloom": (
        "transformer.h",
        {},
        Topology(positions="alibi", embed_norm=True),
        {
            "token_embedding": "transformer.word_embeddings", "final_norm": "transformer.ln_f",
            "embed_norm": "transformer.word_embeddings_layernorm", "attn.norm": "input_layernorm",
            "ffn.norm": "post_attention_layernorm", "attn_out": "self_attention.dense",
            "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h", "fused": "self_attention.query_key_value",
        },
        ({"positions": "none"}, {"embed_norm": False}),
    ),
}  # fmt: skip
"""Families whose queries, keys and values are one tensor, head by head: where they keep what, and the network."""


def fused_model(name: str, network: Network, tensors: Tensors) -> Any:
    """Return Hugging Face's model with these weights."""
    blocks, settings, _, modules, _ = FUSED[name]
    dims = network.dims
    sizes = {
        "vocab_size": dims.vocab_size, "hidden_size": dims.n_embd, "num_hidden_layers": dims.n_layer,
        "num_attention_heads": dims.n_head, "intermediate_size": dims.ffn_hidden,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),
    }  # fmt: skip
    config = getattr(transformers, f"{name}Config")(**sizes, **settings)
    model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    state = {}
    for slot, tensor in tensors.items():
        part, _, kind = slot.rpartition(".")
        _, layer, part = part.split(".", 2) if part.startswith("blocks.") else ("", "", part)
        place = f"{blocks}.{layer}." if layer else ""
        if part == "query":
            roles = [tensors[f"blocks.{layer}.{role}.{kind}"] for role in ("query", "key", "value")]
            heads = torch.stack([x.unflatten(0, (dims.n_head, -1)) for x in roles], 1)  # (H, 3, C/H, ...)
            state[f"{place}{modules['fused']}.{kind}"] = heads.flatten(0, 2)
        elif part not in ("key", "value"):
            state[f"{place}{modules[part]}.{kind}"] = tensor
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}  # where it is tied
    return model


@pytest.mark.parametrize("heads", [4, 6])  # of Bloom's slopes, six are no power of two
@pytest.mark.parametrize("name", FUSED)
def test_logits_of_fused_families_are_hugging_faces(name: str, heads: int) -> None:
    dims = tiny(n_head=heads, n_embd=heads * 8, ffn_hidden=heads * 32, tied=name == "Bloom")
    topology, twins = FUSED[name][2], FUSED[name][4]
    network = Network(dims, topology, gpt_slots(dims, topology))
    tensors, tokens = random_values(network.slots), random_tokens(dims)
    with torch.no_grad():
        expected = fused_model(name, network, tensors)(tokens).logits
        size = expected.square().mean().sqrt()
        found = holding(network, tensors, "gelu-tanh")(tokens)[0]
        assert float((found - expected).abs().max() / size) < FLOAT32
        for twin in twins:
            other = replace(topology, **twin)
            slots = Network(dims, other, gpt_slots(dims, other))
            wrong = holding(slots, fitted(slots, tensors), "gelu-tanh")(tokens)[0]
            assert float((wrong - expected).abs().max() / size) > 1e-3, twin


@pytest.mark.parametrize("name", ["gemma", "gemma 2"])
def test_without_its_embedding_multiplier_it_is_another_network(name: str) -> None:
    family = FAMILIES[name]
    bare = replace(family, extras={})
    tensors = {slot: x for slot, x in family.tensors().items() if slot not in family.extras}
    assert compared(family, bare.network(), tensors) > 1e-2


@pytest.mark.parametrize(("name", "other"), [("llama", "geglu"), ("gemma", "swiglu"), ("phi", "relu")])
def test_another_activation_is_told_apart(name: str, other: str) -> None:
    family = FAMILIES[name]
    assert compared(family, family.network(), family.tensors(), other) > 1e-3


def test_relative_buckets_are_hugging_faces_t5s() -> None:
    t5 = transformers.models.t5.modeling_t5.T5Attention
    tokens = 301
    positions = torch.arange(tokens)
    expected = t5._relative_position_bucket(
        positions[None] - positions[:, None], bidirectional=False, num_buckets=32, max_distance=128
    )
    found = relative_buckets(tokens, torch.device("cpu"))
    assert torch.equal(found, expected)
    assert set(found[-1].tolist()) == set(range(32))
    both_ways = t5._relative_position_bucket(
        positions[None] - positions[:, None], bidirectional=True, num_buckets=32, max_distance=128
    )
    assert not torch.equal(found, both_ways)
