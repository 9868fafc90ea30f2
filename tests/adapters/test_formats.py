"""Formats as data: every slot has a name in each, no two tensors share one, and what does not fit is named."""

from dataclasses import replace
from typing import Any

import pytest

from initlab.adapters.formats import ANY, FORMATS, HELD, HF_GPT2, HF_NAMES, LLAMA, NANOGPT, Format
from initlab.inits.catalogue import blueprint_for
from initlab.network.slot_table import gpt_slots
from initlab.network.topology import Topology
from initlab.spec.run import ModelSpec
from tests.networks import tiny

FOREIGN = [form for _, form in FORMATS.items() if form is not None]
SIZES: dict[str, Any] = {"n_layer": 3, "n_head": 4, "n_embd": 32, "block_size": 12, "vocab_size": 23}


def made(activation: str = "gelu", init: str = "gpt2", **model: Any) -> Any:
    return blueprint_for(ModelSpec(**{**SIZES, **model}), init, activation, 23)


def names_of(form: Format, **dims: Any) -> dict[str, list[str]]:
    """Return the slots by the key that holds them."""
    found: dict[str, list[str]] = {}
    for slot in gpt_slots(tiny(gated=form.gated, **dims), form.topology):
        found.setdefault(form.names.key(slot.name), []).append(slot.name)
    return found


def test_the_formats() -> None:
    assert [name for name, _ in FORMATS.items()] == ["nanogpt", "hf-gpt2", "hf-llama", ANY]
    assert FORMATS.get(ANY) is None


@pytest.mark.parametrize("form", FOREIGN, ids=lambda form: form.summary)
def test_every_slot_has_a_name_and_only_the_fused_share_one(form: Format) -> None:
    for key, slots in names_of(form, tied=False).items():
        roles = [name.split(".")[-2] for name in slots]
        assert roles == (["query", "key", "value"] if "c_attn" in key else roles[:1]), key
        assert slots[0].rpartition(".")[2] == key.rpartition(".")[2]
    assert len(names_of(form, n_layer=3)) > len(names_of(form, n_layer=2))


def test_names_by_hand() -> None:
    assert NANOGPT.names.key("blocks.11.attn.norm.weight") == "transformer.h.11.ln_1.weight"
    assert NANOGPT.names.key("blocks.0.value.bias") == "transformer.h.0.attn.c_attn.bias"
    assert HF_GPT2.names.key("final_norm.bias") == "transformer.ln_f.bias"
    assert LLAMA.names.key("blocks.2.ffn.norm.weight") == "model.layers.2.post_attention_layernorm.weight"
    assert LLAMA.names.key("blocks.2.attn_out.weight") == "model.layers.2.self_attn.o_proj.weight"


@pytest.mark.parametrize("feature", HELD)
def test_another_topology_is_refused_feature_by_feature(feature: str) -> None:
    other: dict[str, Any] = {
        "norm_at": "post",
        "norm": "rmsnorm",
        "positions": "rotary",
        "embed_norm": True,
        "sub_norm": True,
        "qk_norm": True,
        "parallel": True,
        "softcap": 5.0,
    }
    for form in (NANOGPT, HF_GPT2):
        assert form.misfit(made(), "gelu") is None
        reason = form.misfit(made(**{feature: other[feature]}), "gelu")
        assert reason is not None
        assert f"the network {feature} = " in reason


def test_the_features_held_are_all_that_no_tensor_can_take_up() -> None:
    assert set(HELD) | {"norm_gain", "channel_scales", "shared_scales"} == set(Topology.__dataclass_fields__)


def test_gates_heads_and_widths_are_refused_where_they_do_not_fit() -> None:
    gated = made("swiglu", norm="rmsnorm", positions="rotary", bias=False)
    assert LLAMA.misfit(gated, "swiglu") is None
    ungated = replace(gated, dims=replace(gated.dims, gated=False))
    assert "gate" in str(LLAMA.misfit(ungated, "gelu"))
    for form in (NANOGPT, HF_GPT2):
        assert "gate" in str(form.misfit(made("swiglu"), "swiglu"))
    assert "--tied" in str(NANOGPT.misfit(made(tied=False), "gelu"))
    assert HF_GPT2.misfit(made(tied=False), "gelu") is None
    assert "4 · n_embd" in str(NANOGPT.misfit(made(ffn_ratio=3.0), "gelu"))
    assert HF_GPT2.misfit(made(ffn_ratio=3.0), "gelu") is None


def test_biases_are_where_the_network_or_the_format_has_them() -> None:
    assert [form.biased(made()) for form in (NANOGPT, HF_GPT2)] == [True, True]
    assert [form.biased(made(bias=False)) for form in (NANOGPT, HF_GPT2, LLAMA)] == [False, True, False]


def test_configs_say_what_the_file_does_not() -> None:
    blueprint = made(tied=True, ffn_ratio=3.0)
    assert NANOGPT.config(blueprint, "gelu") == {**SIZES, "bias": True}
    found = HF_GPT2.config(blueprint, "gelu-tanh")
    assert (found["activation_function"], found["n_inner"], found["tie_word_embeddings"]) == ("gelu_new", 96, True)
    assert LLAMA.config(blueprint, "swiglu")["rms_norm_eps"] == 1e-5  # LlamaConfig's own is another
    assert "activation_function" not in HF_GPT2.config(blueprint, "selu")  # which Hugging Face has no name for
    assert "selu" not in HF_NAMES
