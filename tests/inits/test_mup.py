"""Golden values of the parametrisations at three times the base width and six times the base depth.

With m = 768/256 = 3 and M = 12/2 = 6. At the base's own sizes each must be its plain init.
"""

import math
from typing import Any

import pytest
import torch

from initlab.inits.catalogue import resolve
from initlab.network.blueprint import Blueprint
from initlab.network.laws import Constant
from tests.inits.golden import (
    BLOCK,
    CONTEXT,
    HEAD,
    INTO_MLP,
    QKV,
    RHO,
    TABLES,
    WRITERS,
    Golden,
    Place,
    Start,
    Value,
    alike,
    assert_golden,
    biases,
    by_fan_in,
    constant,
    dims,
    fixed,
    normal,
)
from tests.networks import started, tiny

M_WIDTH, M_DEPTH = 3, 6
NARROWED = 0.02 / M_WIDTH**0.5  # .0115470
HIDDEN_MUP = {"lr": 1 / 3, "wd": 3.0}
HIDDEN_MEGATRON = {"lr": 1 / 3, "eps": 1 / 3}
COMMON: dict[str, Value] = {"attn_scale": fixed(1 / HEAD), "logit_scale": fixed(1 / M_WIDTH)}


def norm_slot(mean: float, lr: float, eps: float) -> Value:
    """A constant that moves at another rate inside the blocks."""
    return lambda place: constant(mean, lr=lr if place.in_block else 1.0, eps=eps)


def depth_aware(power: float) -> Golden:
    """nanoGPT-mup, branch completep, train.py: five groups and one eps; α is the power."""
    lr, eps = M_DEPTH ** (power - 1), M_DEPTH**-power / M_WIDTH
    laws: dict[str, Value] = {
        **COMMON,
        **alike(BLOCK, normal(NARROWED, lr=lr / M_WIDTH, wd=3.0, eps=eps)),  # out and down too: no 1/√(2L)
        **alike((*TABLES, "lm_head"), normal(0.02, eps=eps)),
        **biases(lambda fan_in: constant(0, lr=lr, eps=eps)),
        "norm_gain": norm_slot(1, lr, eps),
        "norm_bias": norm_slot(0, lr, eps),
        "branch_scale": fixed(M_DEPTH**-power),
    }
    return Golden(laws)


def unit_table() -> Start:
    return normal(1, lr=768**-0.5, wd=768**0.5)


def unit_branch(place: Place) -> Start:
    """τ/√(1+τ²) with τ² = 1/(L+b) is 1/√(L+b+1): 1/√13 = .277350 for the first branch, 1/6 for the last."""
    return fixed((12 + place.branch + 1) ** -0.5)


def unit_skip(place: Place) -> Start:
    """1/√(1+τ²) = √((L+b)/(L+b+1)): √(12/13) = .960769 for the first branch."""
    return fixed(((12 + place.branch) / (12 + place.branch + 1)) ** 0.5)


def unit_down(place: Place) -> Start:
    """unit_scaling's silu_glu: 2^¾; its gelu and silu: the mean, a = 1/1.25 = .8 of the way in logarithms, of what
    1/std of a ReLU of a unit normal is and of 2."""
    relu = (2 / (1 - 1 / math.pi)) ** 0.5
    return fixed(2**0.75 if place.gated else math.exp(0.8 * math.log(relu) + 0.2 * math.log(2)))


def unit(fan_in: int) -> Start:
    lr = (fan_in * 12) ** -0.5  # 1/96 for 768, 1/192 for 3072
    return normal(1, mult=fan_in**-0.5, lr=lr, wd=1 / lr)


STACK: dict[str, Any] = {"lr": 12**-0.5, "wd": 12**0.5}

GOLDEN = {
    "mup": Golden(
        {
            **COMMON,
            **alike(BLOCK, normal(NARROWED, **HIDDEN_MUP)),
            "query": constant(0, **HIDDEN_MUP),
            "lm_head": constant(0),
        },
        tied=False,
    ),
    "depth-mup": depth_aware(0.5),  # branches × .408248, matrices' lr × .136083, eps × .136083
    "completep": depth_aware(1.0),  # branches × .166667, matrices' lr × .333333, eps × .0555556
    "megatron-mup": Golden(
        {
            **COMMON,
            **alike((*QKV, *INTO_MLP), normal(NARROWED, **HIDDEN_MEGATRON)),
            **alike(WRITERS, normal(NARROWED * RHO, **HIDDEN_MEGATRON)),  # .00235702
        },
        tied=False,
    ),
    "u-mup": Golden(
        {
            **by_fan_in(unit),
            "norm_bias": None,
            **biases(lambda fan_in: constant(0, mult=fan_in**-0.5, **STACK)),
            **alike(TABLES, unit_table()),
            "lm_head": normal(1, mult=1 / 768),
            "norm_gain": None,
            "attn_scale": fixed(1 / HEAD),
            "branch_scale": unit_branch,
            "skip_scale": unit_skip,
            "logit_scale": lambda place: fixed(1 / 768) if place.tied else None,
            # Blake et al., appendix B: (T/ln T)^(2h/(1+4h)), 12.0369506588 for T = 1024 and h = 64
            "matrix_scale of attn_out": fixed((CONTEXT / math.log(CONTEXT)) ** (2 * HEAD / (1 + 4 * HEAD))),
            "matrix_scale of ffn_down": unit_down,
        },
        {"norm": "rmsnorm"},
        tied=False,
    ),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


def test_golden_of_parameters() -> None:
    # Megatron with mup_base_head_dim = 64: √64/64 = .125
    laws = {**GOLDEN["megatron-mup"].laws, "attn_scale": fixed(0.125)}
    assert_golden("megatron-mup:base_head_size=64", Golden(laws, tied=False))
    assert_golden("completep:alpha=0.5", depth_aware(0.5))


def test_constants_of_unit_scaling() -> None:
    # From running the library's own formulas by hand: out × 12.0369506588346, gelu and silu × 1.76678294831233,
    # silu_glu × 1.68179283050743.
    table = resolve("u-mup").table(dims(tied=False))
    found = {slot.of: law.dist.mean for slot, law in table if slot.role == "matrix_scale"}
    assert found["attn_out"] == pytest.approx(12.0369506588346, rel=1e-13)
    assert found["ffn_down"] == pytest.approx(1.76678294831233, rel=1e-13)
    gated = {slot.name: law.dist.mean for slot, law in resolve("u-mup").table(dims(gated=True))}
    assert gated["blocks.7.ffn_down.scale"] == pytest.approx(1.68179283050743, rel=1e-13)


def test_unit_mixing_of_stream_and_branch_keeps_unit_variance_and_gives_every_branch_the_same_share() -> None:
    laws = {slot.name: law.dist.mean for slot, law in resolve("u-mup").table(dims())}
    places = [f"blocks.{layer}.{side}" for layer in range(12) for side in ("attn", "ffn")]
    skips, branches = ([laws[f"{place}.{kind}_scale.weight"] for place in places] for kind in ("skip", "branch"))
    for skip, branch in zip(skips, branches, strict=True):
        assert skip**2 + branch**2 == pytest.approx(1, rel=1e-14)
    shares = [branch * math.prod(skips[b + 1 :]) for b, branch in enumerate(branches)]
    assert shares == pytest.approx([1 / 36**0.5] * 24, rel=1e-13)  # of the last stream: 24 branches are 2/3 of it
    assert math.prod(skips) == pytest.approx(1 / 3**0.5, rel=1e-13)  # and the embedding 1/3


BASE = {"base_n_embd": 32, "base_n_layer": 2}
ZERO_BESIDES = {"mup": {"query", "lm_head"}}
PLAIN = {"mup": "gpt2", "depth-mup": "gpt2", "completep": "gpt2", "megatron-mup": "depth-scaled"}


def pair(init: str, **changes: Any) -> tuple[Blueprint, Blueprint]:
    sizes = tiny(**{**BASE, **changes})
    return resolve(init).blueprint(sizes), resolve(PLAIN[init]).blueprint(sizes)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("init", PLAIN)
def test_at_the_base_sizes_it_is_its_plain_init(init: str, gated: bool, tied: bool) -> None:
    scaled, plain = pair(init, gated=gated, tied=tied)
    ours, theirs = started(scaled, seed=3), started(plain, seed=3)
    for slot, law in scaled.laws:
        assert (law.mult, law.lr, law.wd, law.eps) == (1, 1, 1, 1), slot.name
        if slot.role == "attn_scale":
            assert law.dist == Constant(1 / 8)  # 1/head size, by which no base compensates
        elif slot.is_extra:
            assert law.dist == Constant(1.0), slot.name
            assert not law.train
        elif slot.role in ZERO_BESIDES.get(init, ()):
            assert not ours[slot.name].any()
            assert theirs[slot.name].any()
        else:
            assert torch.equal(ours[slot.name], theirs[slot.name]), slot.name
    assert {slot.name for slot, _ in plain.laws} == {slot.name for slot, _ in scaled.laws if not slot.is_extra}


@pytest.mark.parametrize("sizes", [{"base_n_embd": 16}, {"base_n_layer": 1}])
@pytest.mark.parametrize("init", ["depth-mup", "completep"])
def test_away_from_the_base_it_is_not(init: str, sizes: dict[str, int]) -> None:
    # Negative twin: were ratios ignored, the test above would still pass.
    scaled, _ = pair(init, **sizes)
    at_base, _ = pair(init)
    assert [law for _, law in scaled.laws] != [law for _, law in at_base.laws]
    assert {law.lr for _, law in scaled.laws} != {1.0} or {law.eps for _, law in scaled.laws} != {1.0}


@pytest.mark.parametrize("init", ["mup", "completep", "megatron-mup"])
def test_hidden_steps_and_sizes_follow_the_width(init: str) -> None:
    # Twice the base's width: std over √2, rate over 2, whatever the base is.
    for width in (64, 128):
        found = resolve(init).table(tiny(n_embd=width, n_head=4, base_n_embd=width // 2))
        keys = [law for slot, law in found if slot.role == "key"]
        assert {law.dist.std for law in keys} == {0.02 / math.sqrt(2)}
        assert {law.lr for law in keys} == {0.5}
