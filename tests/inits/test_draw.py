"""Draws keep what laws promise, and every slot's randomness is its own."""

import hashlib
import math
from itertools import combinations
from typing import Any

import pytest
import torch

from initlab.inits.catalogue import INITS, resolve
from initlab.inits.compose import normal, scaled
from initlab.inits.draw import draw, draw_all, slot_generator
from initlab.inits.strategy import InitEntry, Strategy
from initlab.laws import Constant, Dims, Normal, Slot, Uniform
from tests.assertions import (
    assert_in_support,
    assert_mean_close,
    assert_realises,
    assert_std_close,
    assert_uncorrelated,
    sigmas,
)
from tests.networks import Tensors, tiny

NAMES = [name for name, _ in INITS.items()]
FLOAT32, FLOAT64 = torch.finfo(torch.float32).eps, torch.finfo(torch.float64).eps


def sizes(**changes: Any) -> Dims:
    return tiny(**{"n_embd": 64, "ffn_hidden": 192, "vocab_size": 53, "block_size": 24, **changes})


def drawn(name: str, dims: Dims, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    return draw_all(resolve(name).blueprint(dims), seed=seed, dtype=dtype)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_realised_is_promised(name: str, bias: bool, tied: bool) -> None:
    table = resolve(name).table(sizes(bias=bias, tied=tied))
    seeds = range(3)
    comparisons = 2 * len(seeds) * len(table) * len(NAMES) * 4  # mean and std; every init in all four forms
    for seed in seeds:
        tensors = drawn(name, sizes(bias=bias, tied=tied), seed=seed)
        assert list(tensors) == [slot.name for slot, _ in table]
        for slot, law in table:
            assert tensors[slot.name].shape == slot.shape
            assert_realises(tensors[slot.name], law.dist, sigmas(comparisons))


@pytest.mark.parametrize("dist", [Normal(0.02), Uniform(0.02)])
@pytest.mark.parametrize("gain", [0.94, 1.06, math.sqrt(2)])
def test_a_wrong_gain_does_not_pass_for_the_promised_one(dist: Normal | Uniform, gain: float) -> None:
    # Negative twin, at the same strictness: with 192·64 entries the limit is 6.6·√(2/(4·12288)) = 4.2%.
    slot = next(slot for slot, _ in resolve("gpt2").table(sizes()) if slot.role == "ffn_up")
    wrong = draw(slot, type(dist)(dist.std * gain), seed=0)
    k = sigmas(10_000)
    with pytest.raises(AssertionError, match=r"promised 0\.02"):
        assert_std_close(wrong, dist, k)
    assert_std_close(wrong, type(dist)(dist.std * gain), k)


def test_a_shifted_mean_and_a_value_outside_do_not_pass_either() -> None:
    slot = next(slot for slot, _ in resolve("gpt2").table(sizes()) if slot.role == "ffn_up")
    values = draw(slot, Uniform(1.0), seed=0)
    with pytest.raises(AssertionError, match="mean"):
        assert_mean_close(values + 0.1, Uniform(1.0), sigmas(10_000))
    with pytest.raises(AssertionError):
        assert_in_support(values * 1.001, Uniform(1.0))
    with pytest.raises(AssertionError):
        assert_realises(torch.full((3,), 1.0 + FLOAT32), Constant(1.0), 5)


def test_the_three_families_have_their_kurtosis() -> None:
    # The mean of x⁴ has the variance (μ8 − μ4²)·std⁸/n: (105 − 9) for the normal, (9 − 3.24) for the uniform
    # (μ8 = √3⁸/9 = 9). So a family is told from another of the same std.
    slot = next(slot for slot, _ in resolve("gpt2").table(sizes()) if slot.role == "ffn_up")
    for dist, spread in ((Normal(1.0), 96.0), (Uniform(1.0), 5.76)):
        fourth = float(draw(slot, dist, seed=0).double().pow(4).mean())
        assert abs(fourth - dist.kurtosis) < sigmas(2) * math.sqrt(spread / (192 * 64))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_and_another_seed_another(name: str) -> None:
    first, again, other = (drawn(name, tiny(), seed=seed) for seed in (7, 7, 8))
    for slot, law in resolve(name).table(tiny()):
        assert torch.equal(first[slot.name], again[slot.name])
        assert torch.equal(first[slot.name], other[slot.name]) == (law.dist.std == 0)


def test_no_global_generator_is_read_or_moved() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = drawn("pytorch", tiny())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    second = drawn("pytorch", tiny())
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_slots_generator_is_seeded_by_the_seed_and_its_name_alone() -> None:
    digest = hashlib.sha256(b"3/token_embedding.weight").digest()
    assert slot_generator("token_embedding.weight", 3).initial_seed() == int.from_bytes(digest[:8], "little")


def test_seeds_and_slots_are_independent() -> None:
    dims = sizes()
    tensors = [drawn("gpt2", dims, seed=seed) for seed in (0, 1, 2, 2**62)]
    same_slot = [[t[f"blocks.0.{role}.weight"] for t in tensors] for role in ("query", "ffn_up")]
    square = ("query", "key", "value", "attn_out")
    same_seed = [[tensors[0][f"blocks.{layer}.{role}.weight"] for layer in range(2) for role in square]]
    pairs = [pair for group in (*same_slot, *same_seed) for pair in combinations(group, 2)]
    for a, b in pairs:
        assert_uncorrelated(a, b, sigmas(len(pairs)))
    with pytest.raises(AssertionError, match="correlation"):  # half of the variance shared
        assert_uncorrelated(pairs[0][0], pairs[0][0] + pairs[0][1], sigmas(len(pairs)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [2, 0.25])
@pytest.mark.parametrize("name", [name for name in NAMES if "std" in INITS.get(name).parameters])
def test_inits_that_differ_by_a_power_of_two_are_proportional_bit_for_bit(
    name: str, factor: float, dtype: torch.dtype
) -> None:
    std = INITS.get(name).parameters["std"]
    base = drawn(name, tiny(), dtype=dtype)
    scaled_by = drawn(f"{name}:std={factor * std}", tiny(), dtype=dtype)
    equal = {slot: torch.equal(scaled_by[slot], base[slot] * factor) for slot in base}
    laws = {slot.name: law.dist for slot, law in resolve(name).table(tiny())}
    other = {slot.name: law.dist for slot, law in resolve(f"{name}:std={factor * std}").table(tiny())}
    assert equal == {slot: other[slot] == scale_of(laws[slot], factor) for slot in base}
    assert any(equal.values())


def scale_of(dist: Any, factor: float) -> Any:
    return Constant(dist.mean * factor) if isinstance(dist, Constant) else type(dist)(dist.std * factor)


@pytest.mark.parametrize("seed", [0, 1])
def test_depth_scaled_is_gpt2_with_shorter_residual_projections(seed: int) -> None:
    dims = tiny(n_layer=3)
    plain, shorter = (drawn(name, dims, seed=seed, dtype=torch.float64) for name in ("gpt2", "depth-scaled"))
    for slot, _ in resolve("gpt2").table(dims):
        if slot.writes_residual:
            # One rounding of the std and one of the product on either side.
            expected = plain[slot.name] / math.sqrt(6)
            assert torch.allclose(shorter[slot.name], expected, rtol=4 * FLOAT64, atol=0)
            assert not torch.equal(shorter[slot.name], plain[slot.name])
        else:
            assert torch.equal(shorter[slot.name], plain[slot.name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change", [{"n_layer": 3}, {"vocab_size": 40}, {"block_size": 20}, {"tied": False}, {"bias": False}]
)
def test_changing_the_network_elsewhere_does_not_reshuffle_a_slot(name: str, change: dict[str, Any]) -> None:
    before, after = tiny(), tiny(**change)
    old, new = drawn(name, before), drawn(name, after)
    laws = {slot.name: (slot.shape, law.dist) for slot, law in resolve(name).table(after)}
    kept = [slot.name for slot, law in resolve(name).table(before) if laws.get(slot.name) == (slot.shape, law.dist)]
    assert kept
    assert all(torch.equal(old[slot], new[slot]) for slot in kept)


def test_depth_does_not_reshuffle_what_it_scales() -> None:
    shallow, deep = (drawn("depth-scaled", tiny(n_layer=n), dtype=torch.float64) for n in (2, 8))
    name = "blocks.1.ffn_down.weight"
    assert torch.equal(shallow[name], 2 * deep[name])  # 1/√4 against 1/√16


def test_changing_one_slot_leaves_the_others_alone() -> None:
    def louder_query() -> Strategy:
        """One slot differs."""
        return Strategy(scaled(normal(0.02), lambda slot: slot.name == "blocks.0.query.weight", lambda slot: 3.0))

    with INITS.temporarily("louder-query", InitEntry(louder_query, "this test")):
        plain, louder = drawn("gpt2", tiny()), drawn("louder-query", tiny())
    assert [name for name in plain if not torch.equal(plain[name], louder[name])] == ["blocks.0.query.weight"]


@pytest.mark.parametrize("name", NAMES)
def test_precision_changes_rounding_alone(name: str) -> None:
    single, double = drawn(name, tiny()), drawn(name, tiny(), dtype=torch.float64)
    for slot, law in resolve(name).table(tiny()):
        assert double[slot.name].dtype == torch.float64
        if isinstance(law.dist, Normal):
            # The standard normal itself was drawn in float32: divided by the std, its digits end there.
            standard = double[slot.name] / law.dist.std
            assert torch.allclose(standard, standard.float().double(), rtol=4 * FLOAT64, atol=0)
        # float32 rounds the width of the law once and each of two operations once, all of them at most |support|.
        reach = abs(law.dist.support[0]) if law.dist.name == "uniform" else double[slot.name].abs()
        assert ((single[slot.name].double() - double[slot.name]).abs() <= 2 * FLOAT32 * reach).all()


def test_float64_rounds_less() -> None:
    # Negative twin: were draws of float64 merely float32 draws cast, a std of .02 would be realised as float32's.
    single, double = drawn("gpt2", tiny()), drawn("gpt2", tiny(), dtype=torch.float64)
    assert not torch.equal(single["blocks.0.query.weight"].double(), double["blocks.0.query.weight"])


def test_a_tied_tensor_is_drawn_once() -> None:
    tied, untied = drawn("gpt2", tiny(tied=True)), drawn("gpt2", tiny(tied=False))
    assert "lm_head.weight" not in tied
    assert torch.equal(tied["token_embedding.weight"], untied["token_embedding.weight"])
    assert not torch.equal(untied["lm_head.weight"], untied["token_embedding.weight"])


def test_a_slot_that_does_not_exist_is_not_drawn() -> None:
    def headless() -> Strategy:
        """No position embedding."""
        return Strategy(lambda slot: None if slot.role == "position_embedding" else normal(1.0)(slot))

    with INITS.temporarily("headless", InitEntry(headless, "this test")):
        assert "position_embedding.weight" not in drawn("headless", tiny())


def test_constants_fill_the_shape_exactly() -> None:
    slot = Slot(name="x", role="norm_gain", shape=(5,), fan_in=5, fan_out=5, dims=tiny())
    value = draw(slot, Constant(0.1), seed=0, dtype=torch.float64)
    assert value.tolist() == [0.1] * 5
