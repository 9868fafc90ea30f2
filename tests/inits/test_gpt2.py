"""Golden values: worked out by hand from the formulas of the papers and of torch, the arithmetic beside the number.

ρ stands for 1/√(2L). Numbers have all the digits of float64; the last may differ by how a product is ordered.
"""

from typing import Any

import pytest
import torch

from initlab.network.laws import ONES, ZEROS
from tests.inits.golden import (
    MATRICES,
    TABLES,
    WEIGHTS,
    WRITERS,
    Golden,
    Start,
    alike,
    assert_golden,
    biases,
    by_fan_in,
    constant,
    cut,
    dims,
    normal,
    promised,
    stds,
    uniform,
)

SHAPES: list[dict[str, Any]] = [
    {},
    {"n_layer": 4, "n_embd": 128, "n_head": 4, "ffn_hidden": 512, "vocab_size": 64, "block_size": 64},
    {"n_layer": 1, "n_embd": 48, "n_head": 3, "ffn_hidden": 192, "vocab_size": 65, "block_size": 32},
    {"n_layer": 24, "n_embd": 1024, "n_head": 16, "ffn_hidden": 4096},
]


def torch_linear(fan_in: int) -> Start:
    """U(±1/√fan_in); U(±b) has the variance b²/3."""
    return uniform(fan_in**-0.5 / 3**0.5)


GOLDEN = {
    "gpt2": Golden(),
    "gpt2-released": Golden({"position_embedding": normal(0.01)}),
    "depth-scaled": Golden(alike(WRITERS, normal(0.02 / 24**0.5))),  # .00408248
    "pytorch": Golden(
        {
            **by_fan_in(torch_linear),  # .0208333, down .0104167
            **biases(torch_linear),
            "lm_head": torch_linear(768),
            "position_embedding": normal(1),
            # nanoGPT ties by giving the table the head's tensor, which is a Linear's.
            "token_embedding": lambda place: torch_linear(768) if place.tied else normal(1),
        }
    ),
    "trunc-normal": Golden(alike(WEIGHTS, cut(0.02, 2))),  # realised .0175925
    "zero-residual": Golden(alike(WRITERS, constant(0))),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_gpt2_knows_no_size(shape: dict[str, Any], tied: bool, bias: bool) -> None:
    kinds = {*TABLES, *MATRICES} | (set() if tied else {"lm_head"})
    assert stds("gpt2", dims(**shape, tied=tied, bias=bias), family="normal") == dict.fromkeys(kinds, 0.02)


@pytest.mark.parametrize("init", ["gpt2", "depth-scaled"])
def test_normal_inits_have_zero_biases_and_norms_of_one(init: str) -> None:
    found = promised(init, dims())
    assert {found[f"bias of {role}"] for role in MATRICES} == {ZEROS}
    assert (found["norm_gain"], found["norm_bias"]) == (ONES, ZEROS)
    without = promised(init, dims(bias=False))
    assert "norm_bias" not in without
    assert not [key for key in without if key.startswith("bias")]


@pytest.mark.parametrize(
    ("n_layer", "residual"),
    [
        (1, 0.014142135623730951),  # .02/√2 = .01·√2
        (2, 0.01),  # .02/√4
        (4, 0.0070710678118654752),  # .02/√8 = .01/√2
        (12, 0.0040824829046386302),  # .02/√24 = .01/√6
        (24, 0.0028867513459481288),  # .02/√48 = .005/√3
        (50, 0.002),  # .02/√100
    ],
)
@pytest.mark.parametrize("tied", [True, False])
def test_depth_scaled(n_layer: int, residual: float, tied: bool) -> None:
    found = stds("depth-scaled", dims(n_layer=n_layer, tied=tied), family="normal")
    expected = dict.fromkeys({*TABLES, *MATRICES} | (set() if tied else {"lm_head"}), 0.02)
    expected |= {"attn_out": residual, "ffn_down": residual}
    assert found == pytest.approx(expected, rel=1e-15)


def test_depth_scaled_std_is_the_base_of_everything() -> None:
    found = stds("depth-scaled:std=0.06", dims())
    assert found["query"] == found["token_embedding"] == 0.06
    assert found["ffn_down"] == pytest.approx(0.012247448713915890, rel=1e-15)  # .06/√24 = .03/√6


def test_depth_scaled_is_not_one_over_the_root_of_l() -> None:
    # Negative twin: .02/√12 = .0057735 would be √2 too large.
    assert stds("depth-scaled", dims())["ffn_down"] != pytest.approx(0.0057735, rel=0.1)


@pytest.mark.parametrize(
    ("shape", "by_width", "by_hidden"),
    [
        (SHAPES[0], 0.020833333333333333, 0.010416666666666667),  # 1/√(3·768) = 1/√2304 = 1/48; 1/√9216 = 1/96
        (SHAPES[1], 0.051031036307982882, 0.025515518153991441),  # 1/√384 = 1/(8√6); 1/√1536 = 1/(16√6)
        (SHAPES[2], 0.083333333333333333, 0.041666666666666667),  # 1/√144 = 1/12; 1/√576 = 1/24
        (SHAPES[3], 0.018042195912175805, 0.0090210979560879026),  # 1/√3072 = 1/(32√3); 1/√12288 = 1/(64√3)
    ],
)
@pytest.mark.parametrize("tied", [True, False])
def test_pytorch(shape: dict[str, Any], by_width: float, by_hidden: float, tied: bool) -> None:
    sizes = dims(**shape, tied=tied)
    uniform = dict.fromkeys(MATRICES, by_width) | {f"bias of {role}": by_width for role in MATRICES}
    uniform |= {"ffn_down": by_hidden, "bias of ffn_down": by_hidden}
    # The shared tensor of a tied head is a Linear's, U(±1/√d); an untied head is one by itself.
    uniform["token_embedding" if tied else "lm_head"] = by_width
    unit = {"position_embedding": 1.0} if tied else {"position_embedding": 1.0, "token_embedding": 1.0}
    assert stds("pytorch", sizes, family="uniform") == pytest.approx(uniform, rel=1e-15)
    assert stds("pytorch", sizes, family="normal") == unit


def test_pytorch_without_biases_draws_none() -> None:
    found = promised("pytorch", dims(bias=False))
    assert not [key for key in found if "bias" in key]
    assert found["norm_gain"] == ONES


def test_pytorch_is_what_torch_draws() -> None:
    # Every draw of torch's own layers falls inside the promised support and fills it: of n uniform draws, none
    # falls in the outer fraction q of the support with a chance of (1 − q)^n, here e^−49.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear, table = torch.nn.Linear(3072, 16), torch.nn.Embedding(64, 768)
    low, high = promised("pytorch", dims())["ffn_down"].support
    extremes = float(linear.weight.detach().min()), float(linear.weight.detach().max())
    assert low <= extremes[0] < 0.999 * low
    assert 0.999 * high < extremes[1] <= high
    assert high == pytest.approx(3072**-0.5, rel=1e-15)
    assert float(linear.bias.detach().abs().max()) <= high
    # 49152 normals: the relative standard error of their std is 1/√(2n) = .0032; 5 of those.
    assert float(table.weight.detach().std()) == pytest.approx(1.0, abs=0.016)


def test_norms_of_pytorch_are_the_identity() -> None:
    found = promised("pytorch", dims())
    assert (found["norm_gain"], found["norm_bias"]) == (ONES, ZEROS)
