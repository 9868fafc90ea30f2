"""Multipliers worked into tensors leave the function as it was, for every one that can be and every place it has."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from initlab.adapters.fold import FOLDS, added, folded, unfoldable
from initlab.network.blueprint import Blueprint
from initlab.network.laws import ONES, Law
from initlab.network.slot_table import Network, gpt_slots, plain_network, possible_slots
from initlab.network.topology import Dims, Topology
from tests.networks import Tensors, holding, network, random_tokens, random_values, tiny
from tests.reference import Reference

pytestmark = pytest.mark.usefixtures("one_thread")

ROUNDING = 1e-12
TOLD_APART = 1e-3

TOPOLOGIES = [
    Topology(),
    Topology(norm="rmsnorm", positions="rotary"),
    Topology(norm_gain="one-plus"),
    Topology(channel_scales=True),
    Topology(shared_scales=True),
    Topology(shared_scales=True, channel_scales=True, norm="rmsnorm"),
]
SIZES: list[dict[str, Any]] = [{}, {"tied": False}, {"bias": False}, {"gated": True, "tied": False, "bias": False}]


def blueprint(dims: Dims, topology: Topology, keep: set[str], factors: dict[str, float]) -> Blueprint:
    """Return a network with the fixed multipliers named, and forward factors on some of its tensors."""
    slots = [slot for slot in possible_slots(dims, topology) if not slot.is_extra or slot.name in keep]
    laws = [(s, Law(dist=ONES, mult=factors.get(s.name, 1.0), train=not s.is_extra)) for s in slots]
    return Blueprint("test", dims, topology, tuple(laws))


def logits_of(one: Blueprint, tensors: Tensors) -> Tensor:
    effective = {slot.name: tensors[slot.name] * law.mult for slot, law in one.laws}
    with torch.no_grad():
        found: Tensor = holding(one.network, effective)(random_tokens(one.dims))[0]
    return found


def plain_logits(one: Blueprint, plain: Tensors, bias: bool) -> Tensor:
    """Return the logits of the plain network, which must have exactly these tensors."""
    topology = replace(one.topology, norm_gain="plain")
    dims = replace(one.dims, bias=bias)
    assert set(plain) == {slot.name for slot in gpt_slots(dims, topology)}
    arrays = {name: tensor.numpy() for name, tensor in plain.items()}
    return torch.from_numpy(Reference(dims, topology, arrays, "gelu").logits(random_tokens(dims).numpy()))


def plain_of(one: Blueprint, bias: bool) -> Network:
    """Return the network that another's multipliers are folded into."""
    return plain_network(replace(one.dims, bias=bias), replace(one.topology, norm_gain="plain"))


def foldable(dims: Dims, topology: Topology) -> list[str]:
    return [slot.name for slot in possible_slots(dims, topology) if slot.role in FOLDS]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda t: f"{t.norm} {t.norm_gain} {t.channel_scales}")
def test_every_multiplier_alone(topology: Topology, sizes: dict[str, Any]) -> None:
    dims = tiny(block_size=5, **sizes)
    for name in foldable(dims, topology):
        if ".1." in name:
            continue  # the second block's are as the first's
        one = blueprint(dims, topology, {name}, {})
        assert unfoldable(one) is None
        tensors = random_values(one.network.slots, dtype=torch.float64)
        before = {key: value.clone() for key, value in tensors.items()}
        plain, done = folded(one, tensors, plain_of(one, dims.bias))
        assert done == [next(slot.role for slot, _ in one.laws if slot.name == name)]
        assert all(torch.equal(tensors[key], value) for key, value in before.items())  # what was drawn stays
        expected = logits_of(one, tensors)
        assert (plain_logits(one, plain, dims.bias) - expected).abs().max() < ROUNDING, name
        unfolded, _ = folded(blueprint(dims, topology, set(), {}), tensors, plain_of(one, dims.bias))
        assert (plain_logits(one, unfolded, dims.bias) - expected).abs().max() > TOLD_APART, name


@pytest.mark.parametrize("seed", range(20))
def test_any_number_of_them_with_forward_factors(seed: int) -> None:
    draw = random.Random(seed)
    dims, topology = tiny(block_size=5, **draw.choice(SIZES)), draw.choice(TOPOLOGIES)
    keep = {name for name in foldable(dims, topology) if draw.random() < 0.5}
    factors = {slot.name: draw.uniform(0.5, 2) for slot in gpt_slots(dims, topology) if draw.random() < 0.3}
    one = blueprint(dims, topology, keep, factors)
    tensors = random_values(one.network.slots, seed=seed, dtype=torch.float64)
    plain, done = folded(one, tensors, plain_of(one, dims.bias))
    expected = logits_of(one, tensors)
    assert (plain_logits(one, plain, dims.bias) - expected).abs().max() < ROUNDING * float(expected.abs().max())
    assert ("mult" in done) == bool(factors)
    assert len(done) == len(set(done))
    other = random_values(one.network.slots, seed=seed + 1, dtype=torch.float64)
    wrong, _ = folded(one, other, plain_of(one, dims.bias))
    assert (plain_logits(one, wrong, dims.bias) - expected).abs().max() > TOLD_APART


def test_where_a_tied_table_takes_its_multiplier_the_last_norm_gives_it_back() -> None:
    """s·E in the table, so that the head is s times as large too; the gain and bias before it are over s."""
    one = blueprint(tiny(), Topology(), {"embed_scale.weight"}, {})
    tensors = {**random_values(one.network.slots, dtype=torch.float64), "embed_scale.weight": torch.tensor(4.0)}
    plain, _ = folded(one, tensors, plain_of(one, True))
    assert torch.equal(plain["token_embedding.weight"], 4 * tensors["token_embedding.weight"])
    assert torch.equal(plain["final_norm.weight"], tensors["final_norm.weight"] / 4)
    assert torch.equal(plain["final_norm.bias"], tensors["final_norm.bias"] / 4)
    assert torch.equal(plain["position_embedding.weight"], tensors["position_embedding.weight"])


def test_an_attention_scale_goes_into_the_query_times_the_root_of_the_head_size() -> None:
    one = blueprint(tiny(), Topology(), {"blocks.0.attn_scale.weight"}, {})
    tensors = {**random_values(one.network.slots, dtype=torch.float64)}
    tensors["blocks.0.attn_scale.weight"] = torch.tensor(1 / 8)  # μP's 1/head size
    plain, _ = folded(one, tensors, plain_of(one, True))
    for kind in ("weight", "bias"):
        ratio = plain[f"blocks.0.query.{kind}"] / tensors[f"blocks.0.query.{kind}"]
        assert ratio.numpy() == pytest.approx(np.sqrt(1 / 8), rel=1e-7)
        assert torch.equal(plain[f"blocks.1.query.{kind}"], tensors[f"blocks.1.query.{kind}"])


def test_what_is_lacking_starts_as_the_identity() -> None:
    dims = tiny(bias=False, tied=False)
    slots = [slot for slot in gpt_slots(dims, Topology()) if slot.role != "norm_gain"]
    one = Blueprint("test", dims, Topology(), tuple((slot, Law(dist=ONES)) for slot in slots))
    tensors = random_values(slots, dtype=torch.float64)
    for bias, kinds in ((True, ["biases", "gains"]), (False, ["gains"])):
        plain, done = folded(one, tensors, plain_of(one, bias))
        assert done == []
        assert added(one, plain_of(one, bias)) == kinds
        assert (plain_logits(one, plain, bias) - logits_of(one, tensors)).abs().max() < ROUNDING
        lacking = {name: x for name, x in plain.items() if name not in tensors}
        assert {float(x.unique()) for name, x in lacking.items() if name.endswith("weight")} == {1.0}
        biases = {float(x.unique()) for name, x in lacking.items() if name.endswith("bias")}
        assert biases == ({0.0} if bias else set())


def test_a_network_without_multipliers_is_itself() -> None:
    one = blueprint(tiny(), Topology(), set(), {})
    tensors = random_values(one.network.slots)
    plain, done = folded(one, tensors, plain_of(one, True))
    assert done == []
    assert added(one, plain_of(one, True)) == []
    assert list(plain) == list(tensors)
    assert all(torch.equal(plain[name], tensors[name]) for name in tensors)
    assert torch.equal(network(tiny(), plain)(random_tokens(tiny()))[0], logits_of(one, tensors))


def test_what_cannot_be_folded_is_named() -> None:
    dims, topology = tiny(), Topology()
    for slot in possible_slots(dims, topology):
        if not slot.is_extra:
            continue
        reason = unfoldable(blueprint(dims, topology, {slot.name}, {}))
        if slot.role in FOLDS:
            assert reason is None
        else:
            assert slot.role in ("skip_scale", "scalar_bias")
            assert reason is not None
            assert slot.name in reason
    moving = blueprint(dims, topology, {"blocks.1.ffn.branch_scale.weight"}, {})
    laws = tuple((slot, replace(law, train=True)) for slot, law in moving.laws)
    reason = unfoldable(replace(moving, laws=laws))
    assert reason is not None
    assert "trains blocks.1.ffn.branch_scale.weight" in reason
