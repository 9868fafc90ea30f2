"""Sizes and slots from shapes alone."""

from typing import Any

import pytest

from initlab.adapters.adapter import ADAPTERS, SlotMap
from initlab.adapters.recognition import read_model
from initlab.errors import InitlabError
from tests.adapters.models import written_model

Shapes = dict[str, tuple[int, ...]]


def shapes_of(family: str, **model: Any) -> Shapes:
    return {name: tuple(x.shape) for name, x in written_model(ADAPTERS.get(family), **model)[2].items()}


def grouped(shapes: Shapes, width: int) -> Shapes:
    """Return a Llama's shapes with keys and values of fewer heads, ``width`` channels in all."""
    fewer = ("k_proj", "v_proj")
    return {name: (width, *s[1:]) if name.split(".")[-2] in fewer else s for name, s in shapes.items()}


def slots_of(found: SlotMap) -> dict[str, tuple[tuple[int, ...], int, int]]:
    return {slot.name: (slot.shape, slot.fan_in, slot.fan_out) for slot in found.network.slots}


def test_fewer_keys_and_values_than_queries_have_a_smaller_fan_out() -> None:
    shapes = grouped(shapes_of("hf-llama", bias=True), 8)
    slots = slots_of(read_model(shapes, {"num_attention_heads": 4, "num_key_value_heads": 1}))
    assert slots["blocks.1.query.weight"] == ((32, 32), 32, 32)
    assert slots["blocks.1.key.weight"] == slots["blocks.1.value.weight"] == ((8, 32), 32, 8)
    assert slots["blocks.1.key.bias"] == ((8,), 32, 8)
    assert slots["blocks.1.attn_out.weight"] == ((32, 32), 32, 32)


def test_heads_wider_than_the_stream_make_queries_wider() -> None:
    shapes = shapes_of("hf-llama")
    for name, shape in shapes.items():
        if name.endswith("q_proj.weight"):
            shapes[name] = (2 * shape[0], shape[1])
        if name.endswith("o_proj.weight"):
            shapes[name] = (shape[0], 2 * shape[1])
    slots = slots_of(read_model(shapes))
    assert slots["blocks.0.query.weight"] == ((64, 32), 32, 64)
    assert slots["blocks.0.attn_out.weight"] == ((32, 64), 64, 32)


def test_biases_exist_where_the_model_has_them() -> None:
    shapes = shapes_of("hf-llama", bias=True)
    few = {name: s for name, s in shapes.items() if not name.endswith("bias") or ".q_proj." in name}
    found = read_model(few)
    biases = [slot.name for slot in found.network.slots if slot.role == "bias"]
    assert biases == [f"blocks.{layer}.query.bias" for layer in range(3)]
    assert found.network.dims.bias
    assert not read_model({name: s for name, s in shapes.items() if not name.endswith("bias")}).network.dims.bias


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("transformer.h.1.attn.c_attn.weight", (32, 64), r"c_attn\.weight has 64 outputs, expected 96"),
        ("transformer.h.1.attn.c_attn.bias", (90,), r"c_attn\.bias has 90 outputs, expected 96"),
        ("transformer.h.1.ln_1.weight", (1, 32), r"ln_1\.weight has shape \(1, 32\), expected 1 axes"),
        ("transformer.h.1.mlp.c_fc.weight", (32,), r"c_fc\.weight has shape \(32,\), expected 2 axes"),
    ],
)
def test_a_shape_that_no_slot_explains_is_an_error(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        read_model({**shapes_of("hf-gpt2"), name: shape})


def test_a_hidden_layer_of_its_own_width_in_each_block() -> None:
    shapes = shapes_of("hf-llama")
    for kind, axis in (("gate_proj", 0), ("up_proj", 0), ("down_proj", 1)):
        name = f"model.layers.2.mlp.{kind}.weight"
        shapes[name] = tuple(24 if n == axis else size for n, size in enumerate(shapes[name]))
    found = read_model(shapes)
    assert found.network.dims.ffn_hidden == 128
    assert found.network.shapes["blocks.2.ffn_up.weight"] == (24, 32)
    assert found.network.shapes["blocks.2.ffn_down.weight"] == (32, 24)
