"""Draws keep what laws promise, and every slot's randomness is its own."""

import hashlib
import math
from itertools import combinations
from typing import Any

import pytest
import torch

from initlab.inits.catalogue import INITS, resolve
from initlab.inits.compose import normal, scaled
from initlab.inits.draw import draw, slot_generator
from initlab.inits.strategy import InitEntry, Strategy
from initlab.network.laws import Constant, Dist, Law, Normal, Orthogonal, TruncNormal, Uniform
from initlab.network.slots import Slot
from initlab.network.topology import Dims
from tests.assertions import (
    assert_in_support,
    assert_mean_close,
    assert_rate,
    assert_realises,
    assert_std_close,
    assert_uncorrelated,
    sigmas,
)
from tests.networks import Tensors, blueprint_of, started, tiny

NAMES = [name for name, _ in INITS.items()]
FLOAT32, FLOAT64 = torch.finfo(torch.float32).eps, torch.finfo(torch.float64).eps


def sizes(**changes: Any) -> Dims:
    return tiny(**{"n_embd": 64, "ffn_hidden": 192, "vocab_size": 53, "block_size": 24, **changes})


def drawn(name: str, dims: Dims, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    return started(blueprint_of(name, dims), seed=seed, dtype=dtype)


def by_hook(law: Law) -> bool:
    """Whether the init's hook, and not the law alone, decides what the slot starts as."""
    return law.joint or law.calibrated


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
            if not by_hook(law):
                assert_realises(tensors[slot.name], law.dist, sigmas(comparisons))


@pytest.mark.parametrize("dist", [Normal(0.02), Uniform(0.02), TruncNormal.of_std(0.02, 2.0)])
@pytest.mark.parametrize("gain", [0.94, 1.06, math.sqrt(2)])
def test_a_wrong_gain_does_not_pass_for_the_promised_one(dist: Dist, gain: float) -> None:
    # Negative twin, at the same strictness: with 192·64 entries the limit is 6.6·√(2/(4·12288)) = 4.2%.
    slot = next(slot for slot, _ in resolve("gpt2").table(sizes()) if slot.role == "ffn_up")
    wrong = draw(slot, scale_of(dist, gain), seed=0)
    k = sigmas(10_000)
    with pytest.raises(AssertionError, match=r"promised 0\.02"):
        assert_std_close(wrong, dist, k)
    assert_std_close(wrong, scale_of(dist, gain), k)


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
    # (μ8 = √3⁸/9 = 9), and at most μ8 ≤ (cut·σ)⁴·μ4 for a cut normal. So a family is told from another of its std.
    slot = next(slot for slot, _ in resolve("gpt2").table(sizes()) if slot.role == "ffn_up")
    cut = TruncNormal.of_std(1.0, 2.0)
    edge = cut.support[1]
    families: list[tuple[Dist, float]] = [
        (Normal(1.0), 96.0),
        (Uniform(1.0), 5.76),
        (cut, edge**4 * cut.kurtosis - cut.kurtosis**2),
    ]
    limits = [sigmas(3) * math.sqrt(spread / (192 * 64)) for _, spread in families]
    for (dist, _), limit in zip(families, limits, strict=True):
        fourth = float(draw(slot, dist, seed=0).double().pow(4).mean())
        found = [abs(fourth - other.kurtosis) < limit for other, _ in families]
        assert found == [other == dist for other, _ in families]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_and_another_seed_another(name: str) -> None:
    first, again, other = (drawn(name, tiny(), seed=seed) for seed in (7, 7, 8))
    for slot, law in resolve(name).table(tiny()):
        assert torch.equal(first[slot.name], again[slot.name])
        if law.dist.std or not law.calibrated:  # what a calibration makes of a constant may depend on the seed
            assert torch.equal(first[slot.name], other[slot.name]) == (law.dist.std == 0)


@pytest.mark.parametrize("name", [name for name in NAMES if "orthogonal" in name or name == "lsuv"])
def test_orthogonal_draws_have_equal_singular_values(name: str) -> None:
    dims = sizes(tied=False)
    tensors, found = drawn(name, dims, dtype=torch.float64), 0
    for slot, law in resolve(name).table(dims):
        if isinstance(law.dist, Orthogonal):
            singular = torch.linalg.svdvals(tensors[slot.name])
            gain = float(singular.mean()) if by_hook(law) else law.dist.std * math.sqrt(max(slot.shape))
            assert singular.tolist() == pytest.approx([gain] * min(slot.shape), rel=8 * FLOAT32), slot.name
            # Σx² = rank·gain², so the entries' std is exactly gain/√(longer side).
            rms = float(tensors[slot.name].square().mean().sqrt())
            assert rms == pytest.approx(gain / math.sqrt(max(slot.shape)), rel=8 * FLOAT32)
            found += 1
    assert found >= 12


def test_normal_draws_have_unequal_singular_values() -> None:
    # Negative twin: those of a square Gaussian matrix of width d fill (0, 2√d·std).
    singular = torch.linalg.svdvals(drawn("gpt2", sizes())["blocks.0.query.weight"])
    assert float(singular.max() / singular.min()) > 5


def test_orthogonal_draws_have_no_preferred_sign() -> None:
    # The diagonal of LAPACK's own Q leans to one sign; with the signs of R's diagonal, Q is uniform (Mezzadri 2007).
    slot = next(slot for slot, _ in resolve("gpt2").table(sizes()) if slot.role == "query")
    positive = torch.stack([draw(slot, Orthogonal(1.0), seed=seed).diagonal() > 0 for seed in range(20)])
    assert_rate(positive, 0.5, sigmas(1))


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


def scale_of(dist: Dist, factor: float) -> Dist:
    if isinstance(dist, TruncNormal):
        return TruncNormal(dist.sigma * factor, dist.cut)
    return Constant(dist.mean * factor) if isinstance(dist, Constant) else type(dist)(dist.std * factor)


def of_unit_std(name: str, dims: Dims) -> dict[tuple[str, str, float], torch.Tensor]:
    """Return every draw that is a law's alone over its std, by slot, family and cut."""
    tensors = drawn(name, dims, dtype=torch.float64)
    return {
        (slot.name, law.dist.name, getattr(law.dist, "cut", 0.0)): tensors[slot.name] / law.dist.std
        for slot, law in resolve(name).table(dims)
        if law.dist.std and not by_hook(law)
    }


@pytest.mark.parametrize("tied", [True, False])
def test_inits_that_draw_a_slot_from_one_family_share_its_directions(tied: bool) -> None:
    # Common random numbers: what two inits draw from one family differs by the ratio of their stds and nothing else.
    dims = tiny(tied=tied, gated=True)
    known: dict[tuple[str, str, float], torch.Tensor] = {}
    shared = 0
    for name in NAMES:
        if name == "looks-linear":
            continue  # has no gated form
        for key, directions in of_unit_std(name, dims).items():
            if key in known:
                shared += 1
                # A uniform draw is rounded where it begins, at the edge of its support; a normal one where it is.
                atol = 0.0 if key[1] == "normal" else 8 * FLOAT64
                assert torch.allclose(directions, known[key], rtol=8 * FLOAT64, atol=atol), (name, key)
            known.setdefault(key, directions)
    assert shared > 10 * len(NAMES), "or there was little to compare"
    normals = [x for (slot, family, _), x in known.items() if family == "normal" and slot.endswith("query.weight")]
    assert_uncorrelated(normals[0], normals[1], sigmas(1))  # two layers do not


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
    laws = {slot.name: (slot.shape, law) for slot, law in resolve(name).table(after)}
    kept = [(slot, law) for slot, law in resolve(name).table(before) if laws.get(slot.name) == (slot.shape, law)]
    assert kept
    for slot, law in kept:
        if not law.calibrated:
            assert torch.equal(old[slot.name], new[slot.name])
        elif law.dist.std:  # another network, so another size, of the same draw
            a, b = (x[slot.name] / x[slot.name].norm() for x in (old, new))
            assert torch.allclose(a, b, rtol=8 * FLOAT32, atol=0)


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
        if law.calibrated:
            continue  # rounding of a whole forward pass: see test_calibrate
        if isinstance(law.dist, Normal) and not law.joint:
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
    def gainless() -> Strategy:
        """Norms without gains."""
        return Strategy(lambda slot: None if slot.role == "norm_gain" else normal(1.0)(slot))

    with INITS.temporarily("gainless", InitEntry(gainless, "this test")):
        found = drawn("gainless", tiny())
    assert "final_norm.weight" not in found
    assert "final_norm.bias" in found


def test_constants_fill_the_shape_exactly() -> None:
    slot = Slot(name="x", role="norm_gain", shape=(5,), fan_in=5, fan_out=5, dims=tiny())
    value = draw(slot, Constant(0.1), seed=0, dtype=torch.float64)
    assert value.tolist() == [0.1] * 5
