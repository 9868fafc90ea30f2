"""Inits whose matrices are drawn together: what the products of the matrices are."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from initlab.activations.functions import ACTIVATIONS
from initlab.errors import InitlabError
from initlab.network.laws import Uniform
from initlab.network.slots import ATTENTION_ROLES
from tests.assertions import assert_realises, assert_uncorrelated, sigmas
from tests.inits.golden import Golden, alike, assert_golden, normal
from tests.networks import at_init, blueprint_of, started, tiny

Array = npt.NDArray[np.float64]
WIDTH, LAYERS = 32, 2
ROUNDING = 64 * WIDTH * float(np.finfo(np.float64).eps)
"""Of a product of two matrices out of an SVD of this size, relative to its largest singular value."""

GOLDEN = {
    # Where a hook draws, the law says what it replaces: gpt2's.
    "mimetic": Golden(alike(("query", "key", "value", "attn_out"), normal(0.02, joint=True))),
    "looks-linear": Golden(alike(("ffn_up", "ffn_down"), normal(0.02, joint=True)), gated=False),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


def matrices(init: str, *, n_head: int = 4, seed: int = 0) -> dict[str, Array]:
    """Return every tensor in float64, by name."""
    sizes = tiny(n_embd=WIDTH, n_layer=LAYERS, n_head=n_head)
    drawn = started(blueprint_of(init, sizes), seed=seed, dtype=torch.float64)
    return {name: tensor.numpy() for name, tensor in drawn.items()}


def value_products(drawn: dict[str, Array]) -> list[Array]:
    """Return what each layer's attention does to a token that attends to itself: W_O W_V."""
    return [drawn[f"blocks.{n}.attn_out.weight"] @ drawn[f"blocks.{n}.value.weight"] for n in range(LAYERS)]


def head_factors(drawn: dict[str, Array], n_head: int) -> list[tuple[Array, Array]]:
    """Return (W_Q, W_K), each (head size, width), of every head of every layer."""
    pairs = []
    for layer in range(LAYERS):
        queries, keys = (np.split(drawn[f"blocks.{layer}.{role}.weight"], n_head) for role in ("query", "key"))
        pairs += list(zip(queries, keys, strict=True))
    return pairs


def test_mimetic_values_and_outputs_multiply_to_noise_minus_the_identity() -> None:
    # The noise shows itself where nothing is subtracted: Z = W_O W_V at α = 1, β = 0.
    bare = value_products(matrices("mimetic:alpha_vo=1,beta_vo=0"))
    products = value_products(matrices("mimetic"))
    raised = value_products(matrices("mimetic:positive_vo=true"))
    for z, product, other in zip(bare, products, raised, strict=True):
        assert_realises(torch.from_numpy(z), Uniform(WIDTH**-0.5), sigmas(4 * LAYERS))
        assert np.abs(product - (0.4 * z - 0.4 * np.eye(WIDTH))).max() < ROUNDING
        assert np.abs(other - (0.4 * z + 0.4 * np.eye(WIDTH))).max() < ROUNDING


def test_mimetic_values_and_outputs_in_the_other_order_do_not() -> None:
    # Negative twin: with W_V and W_O exchanged, as copies in the wild have it, the product is another matrix.
    (z, _), drawn = value_products(matrices("mimetic:alpha_vo=1,beta_vo=0")), matrices("mimetic")
    swapped = drawn["blocks.0.value.weight"] @ drawn["blocks.0.attn_out.weight"]
    target = 0.4 * z - 0.4 * np.eye(WIDTH)
    assert np.linalg.norm(swapped - target) > 0.5 * np.linalg.norm(target)
    assert np.trace(swapped) == pytest.approx(np.trace(target), rel=1e-10)  # which alone would not have told them


def test_mimetic_queries_and_keys_are_the_best_approximation_of_their_rank() -> None:
    # With one head the rank is full, and the product is its target itself; the first of four heads has the same one.
    whole = head_factors(matrices("mimetic", n_head=1), 1)
    parts = head_factors(matrices("mimetic"), 4)[::4]
    for (q, k), (first_q, first_k) in zip(whole, parts, strict=True):
        target, product = q.T @ k, first_q.T @ first_k
        noise = (target - 0.7 * np.eye(WIDTH)) / 0.7
        assert_realises(torch.from_numpy(noise), Uniform(WIDTH**-0.5), sigmas(4 * LAYERS))
        singular = np.linalg.svd(target, compute_uv=False)
        # Eckart & Young 1936: no matrix of that rank is nearer, in either norm.
        assert np.linalg.matrix_rank(product) == 8
        assert np.linalg.norm(target - product, 2) == pytest.approx(singular[8], rel=1e-10)
        assert np.linalg.norm(target - product) == pytest.approx(np.sqrt(np.sum(singular[8:] ** 2)), rel=1e-10)
        # Negative twin: the product the other way round is as small a matrix and far from it.
        assert np.linalg.norm(target - product.T) > 1.05 * np.linalg.norm(target - product)


def test_mimetic_heads_share_the_singular_values_between_both_factors_and_are_drawn_afresh() -> None:
    pairs = head_factors(matrices("mimetic"), 4)
    assert len(pairs) == 4 * LAYERS
    for q, k in pairs:
        for factor in (q, k):
            gram = factor @ factor.T
            assert np.abs(gram - np.diag(np.diag(gram))).max() < ROUNDING
        assert np.diag(q @ q.T) == pytest.approx(np.linalg.svd(q.T @ k, compute_uv=False)[:8], rel=1e-10)
    products = [torch.from_numpy(q.T @ k - np.diag(np.diag(q.T @ k))) for q, k in pairs]
    for a, b in itertools.combinations(products, 2):
        assert_uncorrelated(a, b, sigmas(28))


def test_mimetic_leaves_the_rest_to_gpt2() -> None:
    ours, plain = matrices("mimetic"), matrices("gpt2")
    changed = {name.split(".")[2] for name in ours if not np.array_equal(ours[name], plain[name])}
    assert changed == ATTENTION_ROLES


def mlp_and_input(init: str, activation: str) -> tuple[Any, torch.Tensor, dict[str, torch.Tensor]]:
    blueprint = blueprint_of(init, tiny())
    model = at_init(blueprint, activation=activation, dtype=torch.float64)
    x = 100 * torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return model.blocks[0], x, started(blueprint, dtype=torch.float64)


def untouched(place: str, x: torch.Tensor) -> torch.Tensor:
    return x


@pytest.mark.parametrize(
    ("init", "activation", "linear"),
    [
        *(("looks-linear", name, True) for name in ("relu", "gelu", "gelu-tanh", "silu")),
        ("looks-linear", "relu2", False),  # z² - z² on both sides of zero: not the identity
        ("looks-linear", "tanh", False),  # odd: f(z) - f(-z) = 2f(z)
        ("gpt2", "relu", False),
    ],
)
def test_looks_linear_mlps_are_linear(init: str, activation: str, linear: bool) -> None:
    assert activation in dict(ACTIVATIONS.items())
    block, x, drawn = mlp_and_input(init, activation)
    up, down = drawn["blocks.0.ffn_up.weight"][:40], drawn["blocks.0.ffn_down.weight"][:, :40]
    found, expected = block.mlp(x, untouched).detach(), x @ up.T @ down.T
    error = float((found - expected).abs().max() / expected.abs().max())
    assert (error < 1e-12) == linear
    assert linear or error > 0.1


def test_looks_linear_halves_mirror_each_other() -> None:
    ours, plain = matrices("looks-linear"), matrices("gpt2")
    for layer in range(LAYERS):
        up, down = (ours[f"blocks.{layer}.{role}.weight"] for role in ("ffn_up", "ffn_down"))
        assert np.array_equal(up[40:], -up[:40])
        assert np.array_equal(down[:, 40:], -down[:, :40])
        assert np.array_equal(up[:40], plain[f"blocks.{layer}.ffn_up.weight"][:40])
        assert np.array_equal(down[:, :40], plain[f"blocks.{layer}.ffn_down.weight"][:, :40])


@pytest.mark.parametrize("change", [{"gated": True}, {"ffn_hidden": 81}])
def test_looks_linear_needs_pairs(change: dict[str, Any]) -> None:
    with pytest.raises(InitlabError, match="looks-linear pairs hidden units: it needs an even number of them and no"):
        blueprint_of("looks-linear", tiny(**change))
