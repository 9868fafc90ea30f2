"""Real modules of Hugging Face are read slot by slot, and our network with those slots is their function."""

from typing import Any

import pytest
import torch
from torch import Tensor

from initlab.adapters.adapter import SlotMap
from initlab.adapters.recognition import read_model
from initlab.adapters.slicing import from_slots, to_slots
from initlab.errors import InitlabError
from initlab.network.slot_table import Network, gpt_slots
from tests.adapters.models import away_from_trivial
from tests.conftest import optional_module
from tests.networks import Tensors, holding, random_tokens

transformers = optional_module("transformers")
pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread")]

ROUNDING = 1e-5
"""Largest difference of a logit, over the largest: float32 rounds at 6e-8, and two layers of sums lose two digits."""

GPT2: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 12, "vocab_size": 23}
LLAMA: dict[str, Any] = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "hidden_size": 32,
    "intermediate_size": 80,
    "max_position_embeddings": 12,
    "vocab_size": 23,
    "rms_norm_eps": 1e-5,
}
MODELS = [
    ("GPT2", GPT2, "hf-gpt2", "gelu-tanh"),
    ("GPT2", {**GPT2, "n_inner": 80, "tie_word_embeddings": False, "activation_function": "relu"}, "hf-gpt2", "relu"),
    ("Llama", LLAMA, "hf-llama", "swiglu"),
    ("Llama", {**LLAMA, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}, "hf-llama", "swiglu"),
    ("Llama", {**LLAMA, "num_key_value_heads": 2, "hidden_act": "gelu"}, "hf-llama", "geglu"),
    ("Llama", {**LLAMA, "num_key_value_heads": 1, "attention_bias": True}, "hf-llama", "swiglu"),
    ("Mistral", {**LLAMA, "num_key_value_heads": 2, "sliding_window": None}, "hf-llama", "swiglu"),
    ("Qwen2", {**LLAMA, "num_key_value_heads": 2}, "hf-llama", "swiglu"),
    ("Qwen3", {**LLAMA, "num_key_value_heads": 2, "head_dim": 8}, "hf-llama", "swiglu"),
]


def model_of(family: str, config: dict[str, Any]) -> Any:
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    settings = getattr(transformers, f"{family}Config")(**config, **special)
    suffix = "LMHeadModel" if family == "GPT2" else "ForCausalLM"
    model = getattr(transformers, family + suffix)(settings).eval()
    away_from_trivial(model)
    return model


def with_all_heads(found: SlotMap, slots: Tensors) -> tuple[Network, Tensors]:
    """Return a network of ours in which every query head has keys and values of its own, those of its group.

    Ours has as many of each, so what it lacks is repeated.
    """
    network = found.network
    repeated = dict(slots)
    for slot in network.slots:
        if (slot.of or slot.role) in ("key", "value"):
            heads = slots[slot.name].unflatten(0, (-1, network.dims.head_size))
            times = network.dims.n_head // len(heads)
            repeated[slot.name] = heads.repeat_interleave(times, 0).flatten(0, 1)
    own = tuple(s for s in gpt_slots(network.dims, network.topology) if s.name in slots)
    return Network(network.dims, network.topology, own), repeated


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(("name", "config", "family", "activation"), MODELS, ids=str)
def test_our_network_with_its_slots_is_its_function(
    name: str, config: dict[str, Any], family: str, activation: str
) -> None:
    theirs = model_of(name, config)
    state = theirs.state_dict()
    found = read_model(state, theirs.config.to_dict())
    assert (found.family, found.activation, found.assumed) == (family, activation, {})
    assert found.network.dims.tied == theirs.config.tie_word_embeddings
    network, slots = with_all_heads(found, to_slots(found, state))
    tokens = random_tokens(network.dims)
    with torch.no_grad():
        expected = theirs(tokens).logits
        assert difference(holding(network, slots, activation)(tokens)[0], expected) < ROUNDING
        wrong = {**slots, "blocks.0.key.weight": slots["blocks.0.value.weight"]}
        assert difference(holding(network, wrong, activation)(tokens)[0], expected) > 100 * ROUNDING


@pytest.mark.parametrize(("name", "config", "family", "activation"), MODELS, ids=str)
def test_there_and_back_is_the_same_module(name: str, config: dict[str, Any], family: str, activation: str) -> None:
    theirs = model_of(name, config)
    state = theirs.state_dict()
    found = read_model(state, theirs.config.to_dict())
    back = from_slots(found, to_slots(found, state))
    assert back.keys() == state.keys() - set(found.unmapped)
    assert all(torch.equal(x, state[name]) for name, x in back.items())
    other = model_of(name, config)
    other.load_state_dict(back, strict=True)


def test_grouped_keys_are_slots_of_fewer_outputs() -> None:
    theirs = model_of("Llama", {**LLAMA, "num_key_value_heads": 2})
    found = read_model(theirs.state_dict(), theirs.config.to_dict())
    slots = {slot.name: slot for slot in found.network.slots}
    assert (slots["blocks.1.key.weight"].fan_out, slots["blocks.1.key.weight"].fan_in) == (16, 32)
    assert slots["blocks.1.query.weight"].fan_out == 32


def test_a_bare_decoder_is_read() -> None:
    theirs = model_of("GPT2", GPT2).transformer
    found = read_model(theirs.state_dict(), theirs.config.to_dict())
    assert found.family == "hf-gpt2"
    assert found.slices["blocks.0.query.weight"].tensor == "h.0.attn.c_attn.weight"


@pytest.mark.parametrize("name", ["Gemma", "Gemma2", "Olmo2", "GPTNeoX"])
def test_other_families_are_not_taken_for_these(name: str) -> None:
    sizes = {**LLAMA, "head_dim": 8} if name.startswith("Gemma") else LLAMA
    sizes = {**sizes, "num_key_value_heads": 4}
    if name == "GPTNeoX":
        sizes.pop("num_key_value_heads")
    theirs = model_of(name, sizes)
    with pytest.raises(InitlabError, match="no family recognises"):
        read_model(theirs.state_dict(), theirs.config.to_dict())
