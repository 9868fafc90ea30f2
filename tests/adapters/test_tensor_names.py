"""Names by slot: where a family's tensors are called what, below whatever prefix."""

import pytest

from initlab.adapters.hf_gpt2 import GPT2_NAMES
from initlab.adapters.hf_llama import HfLlama
from initlab.adapters.tensor_names import Names, stacked
from initlab.network.slot_table import gpt_slots
from tests.networks import tiny


def test_names_by_hand() -> None:
    assert GPT2_NAMES.tensor("blocks.11.attn.norm.weight") == "transformer.h.11.ln_1.weight"
    assert GPT2_NAMES.tensor("blocks.0.value.bias") == "transformer.h.0.attn.c_attn.bias"
    assert GPT2_NAMES.tensor("final_norm.bias") == "transformer.ln_f.bias"
    assert GPT2_NAMES.tensor("lm_head.weight") == "lm_head.weight"
    llama = HfLlama.names
    assert llama.tensor("blocks.2.ffn.norm.weight") == "model.layers.2.post_attention_layernorm.weight"
    assert llama.tensor("blocks.2.attn_out.weight") == "model.layers.2.self_attn.o_proj.weight"


@pytest.mark.parametrize(
    ("table", "root", "head"),
    [
        ("transformer.wte.weight", "transformer.", "lm_head"),
        ("wte.weight", "", "lm_head"),
        ("_orig_mod.transformer.wte.weight", "_orig_mod.transformer.", "_orig_mod.lm_head"),
        ("decoder.wte.weight", "decoder.", "decoder.lm_head"),
    ],
)
def test_names_are_located_by_the_token_table(table: str, root: str, head: str) -> None:
    found = GPT2_NAMES.located(["x.weight", table, "transformer.wpe.weight"])
    assert found is not None
    assert (found.root, found.head) == (root, head)
    assert found.tensor("token_embedding.weight") == table


@pytest.mark.parametrize("tensors", [[], ["wte.bias"], ["newte.weight"], ["a.wte.weight", "b.wte.weight"]])
def test_no_table_or_two_is_no_place(tensors: list[str]) -> None:
    assert GPT2_NAMES.located(tensors) is None


def test_blocks_are_counted_without_a_gap() -> None:
    names = [f"transformer.h.{n}.ln_1.weight" for n in (0, 1, 2, 10, 4)]
    assert GPT2_NAMES.layers(names) == 3
    assert GPT2_NAMES.layers(names[1:]) == 0
    assert Names(root="", outside={}, block="b{}.inner", inside={}).layers(["b0.inner.w", "b1.inner.w"]) == 2


def test_what_shares_a_tensor_lies_in_the_order_of_the_forward_pass() -> None:
    slices = stacked(GPT2_NAMES, gpt_slots(tiny()), conv1d=True)
    parts = [slices[f"blocks.1.{role}.weight"] for role in ("query", "key", "value")]
    assert [part.outputs for part in parts] == [((0, 32),), ((32, 64),), ((64, 96),)]
    assert all(part.transposed for part in parts)
    assert slices["blocks.1.key.bias"].outputs == ((32, 64),)
    assert not slices["blocks.1.key.bias"].transposed
    assert not slices["token_embedding.weight"].transposed
    assert not stacked(GPT2_NAMES, gpt_slots(tiny()), conv1d=False)["blocks.1.key.weight"].transposed
