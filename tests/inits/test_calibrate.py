"""Inits that start from data, checked by forward passes of the tests' own."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.special import erf
from torch import Tensor

from initlab.errors import InitlabError
from initlab.inits.draw import draw_all
from initlab.model.calibration import calibration
from initlab.network.blueprint import Blueprint, Forward, TapFunction, Tensors
from tests.inits.golden import BLOCK, MLP, QKV, Golden, assert_golden, orthogonal
from tests.networks import at_init, blueprint_of, random_tokens, started, tiny

Array = npt.NDArray[np.float64]
MATRICES = ("query", "key", "value", "attn_out", "ffn_gate", "ffn_up", "ffn_down")

ORTHONORMAL = {
    role: orthogonal(longer**-0.5, calibrated=True)
    for longer, roles in ((768, (*QKV, "attn_out")), (3072, MLP), (50304, ("lm_head",)))
    for role in roles
}
GOLDEN = {"lsuv": Golden(ORTHONORMAL)}  # what the pass over the batch starts from: entries of 1/√(longer side)


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


def output_stds(blueprint: Blueprint, tokens: Tensor, activation: str) -> dict[str, float]:
    """Return the std of every matrix's output over the batch, seen by torch's own hooks."""
    model, seen = at_init(blueprint, activation=activation, dtype=torch.float64), {}
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in (*MATRICES, "lm_head"):
            module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: float(out.std())}))
    with torch.no_grad():
        model(tokens)
    return seen


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("activation", "gated"), [("gelu", False), ("relu", False), ("swiglu", True)])
def test_lsuv_gives_every_matrix_an_output_of_unit_std(activation: str, gated: bool, tied: bool) -> None:
    sizes = tiny(n_layer=3, gated=gated, tied=tied)
    tokens = random_tokens(sizes)  # what ``started`` shows the init
    found = output_stds(blueprint_of("lsuv", sizes), tokens, activation)
    assert len(found) == 3 * (7 if gated else 6) + (not tied)
    assert found == pytest.approx(dict.fromkeys(found, 1.0), rel=1e-12)
    # Negative twin: on other tokens it is nearly so, and without calibration nowhere near.
    elsewhere = output_stds(blueprint_of("lsuv", sizes), random_tokens(sizes, seed=9), activation)
    assert all(0 < abs(std - 1) < 0.5 for std in elsewhere.values())
    plain = output_stds(blueprint_of("orthogonal", sizes), tokens, activation)
    assert min(plain.values()) < 0.5


def test_lsuv_looks_at_the_batch_once() -> None:
    blueprint = blueprint_of("lsuv", tiny())
    passes = []

    def counted(forward: Forward) -> Forward:
        def run(tensors: Tensors, tap: TapFunction) -> None:
            passes.append(1)
            forward(tensors, tap)

        return run

    batch = random_tokens(blueprint.dims)
    forward = counted(calibration(blueprint, torch.nn.functional.gelu, batch))
    drawn = draw_all(blueprint, seed=0, forward=forward)
    assert len(passes) == 1
    assert all(torch.equal(drawn[name], tensor) for name, tensor in started(blueprint).items())


@pytest.mark.parametrize("tied", [True, False])
def test_lsuv_matrices_are_orthogonal_up_to_their_scale(tied: bool) -> None:
    blueprint = blueprint_of("lsuv", tiny(gated=True, tied=tied))
    drawn = started(blueprint, dtype=torch.float64)
    for slot, law in blueprint.laws:
        if law.calibrated:
            singular = torch.linalg.svdvals(drawn[slot.name])
            # The draw is float32's, whose rounding of orthogonality this is.
            assert float(singular.max() / singular.min()) == pytest.approx(1, abs=1e-6), slot.name
        else:
            assert slot.role not in MATRICES


def test_float32_calibrates_to_its_own_accuracy() -> None:
    # About three hundred roundings on the way to the last matrix of two layers of width 32.
    blueprint = blueprint_of("lsuv", tiny())
    single, double = started(blueprint), started(blueprint, dtype=torch.float64)
    for name, tensor in double.items():
        assert torch.allclose(single[name].double(), tensor, rtol=300 * torch.finfo(torch.float32).eps, atol=1e-9)


def layer_norm(x: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5))


def gelu(x: Array) -> Array:
    return np.asarray(x * (1 + erf(x / math.sqrt(2))) / 2)


def attention(x: Array, weights: dict[str, Array], heads: int) -> Array:
    def split(role: str) -> Array:
        batch, time, width = x.shape
        return (x @ weights[role].T).reshape(batch, time, heads, width // heads).swapaxes(1, 2)

    scores = split("query") @ split("key").swapaxes(-1, -2) / math.sqrt(x.shape[-1] / heads)
    scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -np.inf)
    chances = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = (chances / chances.sum(-1, keepdims=True)) @ split("value")
    return np.asarray(mixed.swapaxes(1, 2).reshape(x.shape) @ weights["attn_out"].T)


def profiled_skips(
    drawn: dict[str, Array], tokens: Array, *, layers: int = 4, heads: int = 4, used: bool = True
) -> list[float]:
    """Return ω of every branch by a post-norm network written out: LN(ω·x + f(x)), ω² the variance so far.

    Without ``used`` the network goes on with ω = 1 while ω is measured.
    """
    width = drawn["token_embedding.weight"].shape[1]
    x = math.sqrt(width) * drawn["token_embedding.weight"][tokens] + drawn["position_embedding.weight"]
    omegas = [1.0]
    for layer in range(layers):
        weights = {role: drawn[f"blocks.{layer}.{role}.weight"] for role in BLOCK if role != "ffn_gate"}
        for side in ("attn", "ffn"):
            inner = attention(x, weights, heads) if side == "attn" else gelu(x @ weights["ffn_up"].T)
            branch = inner if side == "attn" else inner @ weights["ffn_down"].T
            skip = omegas[-1] * x
            omegas.append(math.sqrt(skip.var() + branch.var()))
            x = layer_norm((skip if used else x) + branch)
    return omegas[:-1]


@pytest.mark.parametrize("seed", [0, 1])
def test_admin_measures_every_skip_on_the_way(seed: int) -> None:
    sizes = tiny(n_layer=4)
    blueprint, tokens = blueprint_of("admin", sizes), random_tokens(sizes)
    drawn = {name: x.numpy() for name, x in started(blueprint, seed=seed, dtype=torch.float64).items()}
    found = [drawn[slot.name] for slot, _ in blueprint.laws if slot.role == "skip_scale"]
    expected = profiled_skips(drawn, tokens.numpy())
    assert len(found) == len(expected) == 8
    for omega, value in zip(found, expected, strict=True):
        assert omega.shape == (32,)
        assert omega == pytest.approx(np.full(32, value), rel=1e-12)
    assert expected[0] == 1.0
    assert expected[1:] == sorted(expected[1:])  # variance accumulates
    # Negative twin: a pass that measures ω and does not use it finds others from the fourth branch on.
    unused = profiled_skips(drawn, tokens.numpy(), used=False)
    assert unused[:3] == expected[:3]
    assert all(abs(a / b - 1) > 1e-4 for a, b in zip(unused[3:], expected[3:], strict=True))


def test_admin_changes_nothing_but_its_skips() -> None:
    blueprint = blueprint_of("admin", tiny())
    drawn, other = started(blueprint), started(blueprint, tokens=random_tokens(blueprint.dims, seed=5))
    changed = {name for name in drawn if not torch.equal(drawn[name], other[name])}
    assert changed == {
        slot.name for slot, law in blueprint.laws if law.calibrated and slot.name != "blocks.0.attn.skip_scale.weight"
    }


@pytest.mark.parametrize("init", ["lsuv", "admin"])
def test_without_a_batch_it_cannot_start(init: str) -> None:
    with pytest.raises(InitlabError, match="needs a calibration batch"):
        draw_all(blueprint_of(init, tiny()), seed=0)
    assert draw_all(blueprint_of("mimetic", tiny()), seed=0)  # a hook that reads no data needs none
