"""Families as data: every slot has a tensor in each, no two share a part of one, and what does not fit is named."""

from dataclasses import replace
from typing import Any

import pytest

from initlab.adapters.adapter import ADAPTERS
from initlab.adapters.decoder import HELD, Decoder
from initlab.adapters.hf_gpt2 import HfGpt2
from initlab.adapters.hf_llama import HfLlama
from initlab.adapters.nanogpt import NanoGpt
from initlab.network.topology import SCALE_SHAPES, Topology
from tests.adapters.models import blueprint, own_blueprint

NANOGPT, HF_GPT2, HF_LLAMA = NanoGpt(), HfGpt2(), HfLlama()
DECODERS = [adapter for _, adapter in ADAPTERS.items() if isinstance(adapter, Decoder)]


@pytest.mark.parametrize("family", DECODERS, ids=lambda family: family.summary)
def test_every_slot_has_a_tensor_and_only_the_fused_share_one(family: Decoder) -> None:
    tied = True if family.always_tied else None
    slots: dict[str, list[str]] = {}
    for name, part in family.written(own_blueprint(family, tied=tied)).slices.items():
        slots.setdefault(part.tensor, []).append(name)
        assert name.rpartition(".")[2] == part.tensor.rpartition(".")[2]
    for tensor, names in slots.items():
        roles = [name.split(".")[-2] for name in names]
        assert roles == (["query", "key", "value"] if "c_attn" in tensor else roles[:1]), tensor


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
        "rotary_fraction": 0.5,
        "parallel_norms": True,
    }
    for family in (NANOGPT, HF_GPT2):
        assert family.misfit(blueprint(), "gelu") is None
        plain = blueprint()
        changed = replace(plain, topology=replace(plain.topology, **{feature: other[feature]}))
        reason = family.misfit(changed, "gelu")
        assert reason is not None
        assert f"the network {feature} = " in reason


def test_the_features_held_are_all_that_no_tensor_can_take_up() -> None:
    assert {*HELD, "norm_gain", "gainless", *SCALE_SHAPES} == set(Topology.__dataclass_fields__)


def test_gates_heads_and_widths_are_refused_where_they_do_not_fit() -> None:
    gated = blueprint("swiglu", norm="rmsnorm", positions="rotary", bias=False)
    assert HF_LLAMA.misfit(gated, "swiglu") is None
    ungated = replace(gated, dims=replace(gated.dims, gated=False))
    assert "gate" in str(HF_LLAMA.misfit(ungated, "gelu"))
    for family in (NANOGPT, HF_GPT2):
        assert "gate" in str(family.misfit(blueprint("swiglu"), "swiglu"))
    assert "--tied" in str(NANOGPT.misfit(blueprint(tied=False), "gelu"))
    assert HF_GPT2.misfit(blueprint(tied=False), "gelu") is None
    assert "4 · n_embd" in str(NANOGPT.misfit(blueprint(ffn_ratio=3.0), "gelu"))
    assert HF_GPT2.misfit(blueprint(ffn_ratio=3.0), "gelu") is None


def test_biases_are_where_the_network_or_the_family_has_them() -> None:
    assert [family.biased(blueprint()) for family in (NANOGPT, HF_GPT2)] == [True, True]
    assert [family.biased(blueprint(bias=False)) for family in (NANOGPT, HF_GPT2, HF_LLAMA)] == [False, True, False]


def test_a_tied_head_is_a_copy_and_an_untied_one_a_slot() -> None:
    for family in (HF_GPT2, HF_LLAMA):
        table = family.names.tensor("token_embedding.weight")
        tied, untied = (family.written(own_blueprint(family, tied=tied)) for tied in (True, False))
        assert (tied.copies, untied.copies) == ({"lm_head.weight": table}, {})
        assert "lm_head.weight" not in tied.slices
        assert untied.slices["lm_head.weight"].tensor == "lm_head.weight"


@pytest.mark.parametrize("family", [NANOGPT, HF_GPT2], ids=lambda family: family.summary)
def test_gains_that_do_not_exist_are_written_all_the_same(family: Decoder) -> None:
    """A trainer's norms have gains: a file without them would not load."""
    bare = blueprint(gainless=True)
    assert family.misfit(bare, "gelu") is None
    assert family.written(bare).slices.keys() == family.written(blueprint()).slices.keys()
    assert len(bare.laws) < len(blueprint().laws)
