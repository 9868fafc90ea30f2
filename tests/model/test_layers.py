"""The parts of the network by themselves: norms, positions, masks, and what an absent slot makes of each."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from initlab.model.layers import (
    Builder,
    Embedding,
    FixedScale,
    Linear,
    Norm,
    Scale,
    Shift,
    causal_mask,
    relative_buckets,
    rotate,
    sinusoids,
)
from initlab.network.slot_table import RELATIVE_BUCKETS, Network, possible_slots
from initlab.network.topology import Topology
from tests.networks import random_values, tiny
from tests.reference import bucket, rotated, sinusoid

pytestmark = pytest.mark.usefixtures("one_thread")

ROUNDING = 1e-13
"""float64: a few roundings of numbers of order 1."""


def builder(topology: Topology, *names: str) -> Builder:
    """Return the maker of a network in which only these of its slots exist."""
    slots = tuple(slot for slot in possible_slots(tiny(), topology) if slot.name in names)
    assert {slot.name for slot in slots} == set(names)
    return Builder(Network(tiny(), topology, slots))


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter a random value around 1."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(1 + 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Norms --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-3, 0.0])
@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_the_epsilon_is_added_to_the_mean_square(norm: Any, size: float) -> None:
    """1e-5 as in GPT-2, added below the root: where the input's own mean square is 1e-6, it rules."""
    x = noise(3, 32) * size
    found = Norm(builder(Topology(norm=norm)), "final_norm")(x)
    centred = x - x.mean(-1, keepdim=True) if norm == "layernorm" else x

    def normed(eps: float) -> Tensor:
        return centred / ((centred * centred).mean(-1, keepdim=True) + eps).sqrt()

    assert (found - normed(1e-5)).abs().max() < ROUNDING
    if size:
        assert (found - normed(1e-6)).abs().max() > 1e-6
        assert (found - normed(1e-5 * math.sqrt(1e-5))).abs().max() > 1e-6
    else:
        assert found.abs().max() == 0  # and not 0/0


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_a_gain_multiplies_and_a_one_plus_gain_is_added_to_one_first(norm: Any) -> None:
    name = "final_norm.weight"
    plain = Norm(builder(Topology(norm=norm), name), "final_norm").double()
    offset = Norm(builder(Topology(norm=norm, norm_gain="one-plus"), name), "final_norm").double()
    bare = Norm(builder(Topology(norm=norm)), "final_norm")
    x, gain = noise(3, 32), noise(32, seed=1)
    with torch.no_grad():
        for module, value in ((plain, gain), (offset, gain - 1)):
            assert module.weight is not None
            module.weight.copy_(value)
            assert (module(x) - bare(x) * gain).abs().max() < ROUNDING
        assert plain.weight is not None
        plain.weight.copy_(gain - 1)
        assert (plain(x) - bare(x) * gain).abs().max() > 0.1


def test_only_layernorm_removes_the_mean_and_only_it_has_a_bias() -> None:
    x = noise(3, 32) + 2
    layernorm = Norm(builder(Topology(), "final_norm.bias"), "final_norm").double()
    assert layernorm.bias is not None
    with torch.no_grad():
        layernorm.bias.fill_(0.5)
        assert (layernorm(x).mean(-1) - 0.5).abs().max() < ROUNDING
    rmsnorm = Norm(builder(Topology(norm="rmsnorm")), "final_norm")
    assert (rmsnorm(x).mean(-1) - 0.5).abs().min() > 0.1
    assert "final_norm.bias" not in {slot.name for slot in possible_slots(tiny(), Topology(norm="rmsnorm"))}


# Absent and present parts -------------------------------------------------------------------------------------------


def test_an_absent_multiplier_does_nothing_and_a_present_one_multiplies() -> None:
    x = noise(2, 5, 32)
    absent = builder(Topology())
    assert isinstance(absent.scale("embed_scale"), nn.Identity)
    assert isinstance(absent.shift("blocks.0.ffn_shift"), nn.Identity)
    assert isinstance(absent.norm("final_norm", exists=False), nn.Identity)
    fixed = absent.attn_scale("blocks.0.attn_scale")
    assert isinstance(fixed, FixedScale)
    assert torch.equal(fixed(x), x / math.sqrt(8))  # heads of 8 channels
    present = builder(Topology(), "embed_scale.weight", "blocks.0.ffn_shift.weight", "blocks.0.attn_scale.weight")
    scale, shift = filled(present.scale("embed_scale")), filled(present.shift("blocks.0.ffn_shift"), seed=1)
    logits = filled(present.attn_scale("blocks.0.attn_scale"), seed=2)
    assert isinstance(scale, Scale)
    assert isinstance(shift, Shift)
    assert isinstance(logits, Scale)
    assert torch.equal(scale(x), x * scale.weight)
    assert torch.equal(shift(x), x + shift.weight)
    assert torch.equal(logits(x), x * logits.weight)
    assert not torch.equal(scale(x), x)


def test_channel_scales_multiply_each_channel_by_its_own() -> None:
    name = "blocks.0.attn.skip_scale.weight"
    scale = filled(builder(Topology(channel_scales=True), name).scale("blocks.0.attn.skip_scale"))
    assert isinstance(scale, Scale)
    x = noise(2, 5, 32)
    for channel in (0, 31):
        assert torch.equal(scale(x)[..., channel], x[..., channel] * scale.weight[channel])
    assert scale.weight[0] != scale.weight[31]


def test_a_linear_shifts_its_input_and_scales_its_matrix_and_not_its_bias() -> None:
    names = [f"blocks.0.ffn_up.{kind}" for kind in ("weight", "bias", "scale", "shift")]
    linear = filled(Linear(builder(Topology(), *names), "blocks.0.ffn_up"))
    w, b, scale, shift = (dict(linear.named_parameters())[kind] for kind in ("weight", "bias", "scale", "shift"))
    x = noise(2, 5, 32)
    assert (linear(x) - ((x + shift) @ w.mT * scale + b)).abs().max() < 100 * ROUNDING  # sums of 32 numbers near 2
    assert (linear(x) - ((x + shift) @ w.mT + b) * scale).abs().max() > 0.1
    assert (linear(x) - (x @ w.mT * scale + b + shift)).abs().max() > 0.1


def test_a_tables_scale_multiplies_what_a_tied_head_multiplies_with_too() -> None:
    names = ("token_embedding.weight", "token_embedding.scale")
    table = filled(Embedding(builder(Topology(), *names), "token_embedding"))
    assert isinstance(table, Embedding)
    assert table.scale is not None
    assert torch.equal(table.matrix(), table.weight * table.scale)
    assert torch.equal(table(torch.tensor([3, 0])), table.matrix()[[3, 0]])
    assert not torch.equal(table.matrix(), table.weight)


# Positions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [32, 7])
def test_sinusoids_are_the_papers(width: int) -> None:
    found = sinusoids(50, torch.zeros(1, width, dtype=torch.float64)).numpy()
    expected = np.array([sinusoid(t, width) for t in range(50)])
    assert found.shape == (50, width)
    # An angle of 50 carries 50 roundings.
    assert np.abs(found - expected).max() < 100 * ROUNDING
    assert np.abs(found[1:] - expected[:-1]).max() > 0.1
    # Interleaved, as the paper prints it, the same numbers stand in other channels.
    assert np.abs(found - expected[:, ::-1]).max() > 0.1


def test_rotation_is_multiplication_by_a_unit_complex_number() -> None:
    x = noise(2, 4, 50, 8)  # (B, H, T, C/H)
    found = rotate(x)
    for b, h in np.ndindex(2, 4):
        assert np.abs(found[b, h].numpy() - rotated(x[b, h].numpy())).max() < 1000 * ROUNDING
    assert torch.equal(found[..., 0, :], x[..., 0, :])  # position 0 does not turn
    assert (found.square().sum(-1) - x.square().sum(-1)).abs().max() < 100 * ROUNDING
    assert (found - x)[..., 1:, :].abs().amax((0, 1, 3)).min() > 0.1


def test_products_of_rotated_vectors_depend_on_distance_alone() -> None:
    q, k = noise(8), noise(8, seed=1)
    turned_q, turned_k = rotate(q.expand(30, 8)), rotate(k.expand(30, 8))
    products = turned_q @ turned_k.mT
    for distance in (0, 1, 7, -5):
        diagonal = products.diagonal(distance)
        assert (diagonal - diagonal[0]).abs().max() < 1000 * ROUNDING
    assert (products[0] - products[0, 0]).abs().max() > 0.1
    assert ((q.expand(30, 8) @ turned_k.mT)[0] - products[1]).abs().max() > 0.1  # both sides must turn


def test_relative_buckets_are_t5s() -> None:
    tokens = 301
    found = relative_buckets(tokens, torch.device("cpu"))
    by_distance = found[-1].flip(0).tolist()
    assert by_distance == [bucket(distance) for distance in range(tokens)]
    # By hand: 16 exact ones; 16·8^(1/16) = 18.2, 16·8^(2/16) = 20.7; from 16·8^(15/16) = 112.4 on the last.
    assert by_distance[:22] == [*range(17), 16, 16, 17, 17, 18]
    assert by_distance[112:114] == [30, 31]
    assert set(by_distance[113:]) == {RELATIVE_BUCKETS - 1}
    for distance in (0, 20, 250):
        assert set(found.diagonal(-distance).tolist()) == {by_distance[distance]}
    assert by_distance != [bucket(distance + 1) for distance in range(tokens)]
    assert found[0, 5] == 0  # the future, which the mask hides, counts as no distance


def test_the_mask_hides_exactly_the_future() -> None:
    mask = causal_mask(4, torch.zeros(1, dtype=torch.float64))
    inf = math.inf
    assert mask.tolist() == [[0, -inf, -inf, -inf], [0, 0, -inf, -inf], [0, 0, 0, -inf], [0, 0, 0, 0]]
    assert mask.dtype == torch.float64


def test_a_tensors_values_are_not_trivial() -> None:
    """What the comparisons with the reference stand on: no slot that could hide behind a 1 or a 0."""
    slots = possible_slots(tiny(tied=False, gated=True), Topology(sub_norm=True, qk_norm=True))
    tensors = random_values(slots)
    assert min(float((tensors[slot.name] - trivial).abs().max()) for slot in slots for trivial in (0, 1)) > 1e-3
