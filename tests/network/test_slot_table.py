from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from initlab.network.slot_table import gpt_slots, plain_network, possible_slots
from initlab.network.slots import Slot
from initlab.network.topology import Dims, Positions, Topology
from tests.networks import network, random_tensors, random_tokens, tiny


def by_name(dims: Dims) -> dict[str, Slot]:
    return {slot.name: slot for slot in gpt_slots(dims)}


def entries(dims: Dims) -> int:
    return plain_network(dims).n_parameters


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


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_products_are_counted_as_torch_counts_them(tied: bool, gated: bool) -> None:
    dims = tiny(tied=tied, gated=gated)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(dims, random_tensors(dims))(random_tokens(dims, 1))
    counted = counter.get_total_flops() / dims.block_size
    assert plain_network(dims).matmul_flops_per_token == counted
    ungated = 2 * dims.n_layer * (4 * 32 * 32 + 2 * 32 * 80) + 2 * 23 * 32 + 4 * dims.n_layer * 12 * 32
    assert (counted == ungated) == (not gated)  # the formula of planners that forget the gate


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


# The network around the weights.


def names(topology: Topology, **sizes: Any) -> set[str]:
    return {slot.name for slot in gpt_slots(tiny(n_layer=1, **sizes), topology)}


def norms(topology: Topology) -> set[str]:
    found = {slot.name for slot in gpt_slots(tiny(n_layer=1), topology) if slot.role == "norm_gain"}
    return {name.removesuffix(".weight").removeprefix("blocks.0.") for name in found}


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        (Topology(), {"attn.norm", "ffn.norm", "final_norm"}),
        (Topology(norm_at="post"), {"attn.post_norm", "ffn.post_norm"}),
        (Topology(norm_at="none"), set()),
        (Topology(norm_at="branch-out"), {"attn.branch_norm", "ffn.branch_norm", "final_norm"}),
        (
            Topology(norm_at="sandwich"),
            {"attn.norm", "attn.branch_norm", "ffn.norm", "ffn.branch_norm", "final_norm"},
        ),
        (Topology(parallel=True), {"attn.norm", "final_norm"}),
        (Topology(norm_at="none", embed_norm=True), {"embed_norm"}),
        (Topology(norm_at="none", sub_norm=True), {"attn_sub_norm", "ffn_sub_norm"}),
        (Topology(norm_at="none", qk_norm=True), {"query_norm", "key_norm"}),
    ],
)
def test_norms_where_the_topology_has_them(topology: Topology, expected: set[str]) -> None:
    assert norms(topology) == expected
    gains = {name for name in names(topology) if name.endswith("norm.weight")}
    assert {name.replace("norm.weight", "norm.bias") for name in gains} <= names(topology)
    assert not [name for name in names(replace(topology, norm="rmsnorm")) if name.endswith("norm.bias")]


def test_widths_of_norms() -> None:
    slots = {slot.name: slot.shape for slot in gpt_slots(tiny(), Topology(sub_norm=True, qk_norm=True))}
    assert slots["blocks.0.ffn_sub_norm.weight"] == (80,)
    assert slots["blocks.0.attn_sub_norm.weight"] == (32,)
    assert slots["blocks.0.key_norm.bias"] == (8,)  # one head's


def test_gainless_norms_have_nothing_to_learn() -> None:
    plain, bare = names(Topology(qk_norm=True)), names(Topology(qk_norm=True, gainless=True))
    assert {name for name in plain - bare if "norm." not in name} == set()
    assert not [name for name in bare if "norm." in name]


def test_a_parallel_blocks_mlp_has_a_norm_where_it_is_its_own() -> None:
    own = names(Topology(parallel=True, parallel_norms=True)) - names(Topology(parallel=True))
    assert own == {"blocks.0.ffn.norm.weight", "blocks.0.ffn.norm.bias"}


@pytest.mark.parametrize("positions", get_args(Positions))
def test_tables_of_positions(positions: Any) -> None:
    found = names(Topology(positions=positions))
    assert ("position_embedding.weight" in found) == (positions == "learned")
    assert ("relative_position_bias.weight" in found) == (positions == "relative")
    if positions == "relative":
        (table,) = [slot for slot in gpt_slots(tiny(), Topology(positions="relative")) if "relative" in slot.name]
        assert (table.shape, table.layer, table.is_weight) == ((32, 4), None, False)


def test_a_gated_mlp_has_a_third_matrix() -> None:
    assert names(Topology(), gated=True) - names(Topology()) == {"blocks.0.ffn_gate.weight", "blocks.0.ffn_gate.bias"}


def extras(topology: Topology, **sizes: Any) -> dict[str, Slot]:
    return {slot.name: slot for slot in possible_slots(tiny(n_layer=1, **sizes), topology) if slot.is_extra}


def test_what_an_init_may_add() -> None:
    found = extras(Topology(), tied=False)
    matrices = {f"blocks.0.{role}" for role in ("query", "key", "value", "attn_out", "ffn_up", "ffn_down")}
    tables = {"token_embedding", "position_embedding"}
    sides = {
        f"blocks.0.{side}.{kind}_scale.weight" for side in ("attn", "ffn") for kind in ("norm", "branch", "skip")
    }
    assert set(found) == {
        *(f"{name}.scale" for name in {*matrices, *tables, "lm_head"}),
        *(f"{name}.shift" for name in {*matrices, "lm_head"}),
        *sides,
        "embed_scale.weight",
        "logit_scale.weight",
        "blocks.0.attn_scale.weight",
        "blocks.0.ffn_shift.weight",
    }
    assert {slot.shape for slot in found.values()} == {()}
    down = found["blocks.0.ffn_down.scale"]
    assert (down.role, down.of, down.fan_in, down.layer, down.branch) == ("matrix_scale", "ffn_down", 80, 0, 1)
    assert found["blocks.0.ffn_up.shift"].of == "ffn_up"
    assert found["blocks.0.ffn_shift.weight"].of is None


def test_scales_a_channel_or_shared_by_a_layer() -> None:
    channels = extras(Topology(channel_scales=True))
    wide = {name for name, slot in channels.items() if slot.shape == (32,)}
    assert wide == {f"blocks.0.{side}.{kind}_scale.weight" for side in ("attn", "ffn") for kind in ("branch", "skip")}
    shared = extras(Topology(shared_scales=True))
    assert [name for name in shared if "branch_scale" in name] == ["blocks.0.branch_scale.weight"]
    assert "blocks.0.ffn.norm_scale.weight" not in extras(Topology(parallel=True))


def test_a_plain_network_is_what_is_possible_without_extras() -> None:
    topology = Topology(norm_at="sandwich", sub_norm=True, positions="relative")
    possible = possible_slots(tiny(gated=True), topology)
    assert plain_network(tiny(gated=True), topology).slots == tuple(slot for slot in possible if not slot.is_extra)
    assert len({slot.name for slot in possible}) == len(possible)
