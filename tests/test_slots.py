import pytest

from initlab.laws import Dims, Slot
from initlab.slots import gpt_slots
from tests.networks import tiny


def by_name(dims: Dims) -> dict[str, Slot]:
    return {slot.name: slot for slot in gpt_slots(dims)}


def entries(dims: Dims) -> int:
    total = 0
    for slot in gpt_slots(dims):
        size = 1
        for length in slot.shape:
            size *= length
        total += size
    return total


def test_gpt2_small_has_its_published_number_of_parameters() -> None:
    # 50257·768 + 1024·768 + 12·(4·768² + 4·768 + 2·4·768² + 4·768 + 768 + 4·768) + 2·768 = 124 439 808, the size
    # of the released gpt2 checkpoint (often rounded to 124M).
    gpt2 = Dims(n_layer=12, n_head=12, n_embd=768, vocab_size=50257, block_size=1024, ffn_hidden=3072)
    assert entries(gpt2) == 124_439_808


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n_layer", [1, 2, 5])
def test_number_of_slots_and_entries(n_layer: int, tied: bool, bias: bool) -> None:
    dims = tiny(n_layer=n_layer, tied=tied, bias=bias)
    slots = gpt_slots(dims)
    # A block has six matrices and two gains, and as many biases; around the blocks: two tables, a norm, a head.
    assert len(slots) == n_layer * (16 if bias else 8) + 2 + (2 if bias else 1) + (0 if tied else 1)
    d, hidden, vocabulary = 32, 80, 23
    block = 4 * d * d + 2 * d * hidden + 2 * d + ((4 * d + hidden + d + 2 * d) if bias else 0)
    around = (vocabulary + 12) * d + d * (2 if bias else 1) + (0 if tied else vocabulary * d)
    assert entries(dims) == n_layer * block + around
    assert len({slot.name for slot in slots}) == len(slots)


def test_a_tied_tensor_is_one_slot_with_an_alias() -> None:
    tied, untied = by_name(tiny(tied=True)), by_name(tiny(tied=False))
    assert tied["token_embedding.weight"].aliases == ("lm_head",)
    assert "lm_head.weight" not in tied
    assert untied["token_embedding.weight"].aliases == ()
    assert untied["lm_head.weight"].shape == untied["token_embedding.weight"].shape == (23, 32)


def test_shapes_and_fans() -> None:
    slots = by_name(tiny())
    expected = {
        "token_embedding.weight": ((23, 32), 32, 23),
        "position_embedding.weight": ((12, 32), 32, 12),
        "blocks.1.query.weight": ((32, 32), 32, 32),
        "blocks.1.ffn_up.weight": ((80, 32), 32, 80),
        "blocks.1.ffn_down.weight": ((32, 80), 80, 32),
        "blocks.1.ffn_up.bias": ((80,), 32, 80),
        "blocks.1.ffn_down.bias": ((32,), 80, 32),
        "final_norm.weight": ((32,), 32, 32),
    }
    found = {name: (slots[name].shape, slots[name].fan_in, slots[name].fan_out) for name in expected}
    assert found == expected


def test_a_weight_is_fan_out_by_fan_in() -> None:
    for slot in gpt_slots(tiny(tied=False)):
        if slot.is_weight:
            assert slot.shape == (slot.fan_out, slot.fan_in)


def test_branches_are_counted_through_the_network() -> None:
    slots = gpt_slots(tiny(n_layer=3))
    writers = [(slot.layer, slot.branch) for slot in slots if slot.writes_residual]
    assert writers == [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (2, 5)]
    inside = {(slot.role, slot.layer, slot.branch) for slot in slots if slot.layer == 1 and slot.of is None}
    assert ("query", 1, 2) in inside
    assert ("ffn_up", 1, 3) in inside
    assert {slot.branch for slot in slots if slot.layer is None} == {None}


def test_a_bias_names_its_matrix_and_has_its_fan_in() -> None:
    slots = by_name(tiny())
    biases = [slot for slot in slots.values() if slot.role == "bias"]
    assert len(biases) == 2 * 6
    for bias in biases:
        weight = slots[bias.name.removesuffix("bias") + "weight"]
        assert (bias.of, bias.fan_in, bias.shape) == (weight.role, weight.fan_in, weight.shape[:1])


def test_without_biases_norms_have_none_either() -> None:
    roles = {slot.role for slot in gpt_slots(tiny(bias=False))}
    assert roles.isdisjoint({"bias", "norm_bias"})
    assert "norm_gain" in roles


def test_slots_come_in_the_order_of_the_forward_pass() -> None:
    slots = gpt_slots(tiny(n_layer=2, tied=False))
    branches = [slot.branch for slot in slots if slot.branch is not None]
    assert branches == sorted(branches)
    assert [slots[0].role, slots[1].role, slots[-1].role] == ["token_embedding", "position_embedding", "lm_head"]
    block = [slot.role for slot in slots if slot.layer == 0 and slot.is_weight]
    assert block == ["query", "key", "value", "attn_out", "ffn_up", "ffn_down"]
