"""The grid of width and depth rules: golden values at GPT-2 small's sizes, and the recipes that are points of it."""

import math
from itertools import product

import pytest

from initlab.inits.catalogue import resolve
from initlab.inits.family import DEPTH_RULES, WIDTH_RULES
from tests.inits.golden import (
    BLOCK,
    HIDDEN,
    VOCABULARY,
    WEIGHTS,
    WIDTH,
    Golden,
    Place,
    Start,
    Value,
    alike,
    assert_golden,
    cut,
    dims,
    normal,
    stds,
    uniform,
)

GOLDEN = {
    "normal": Golden(),
    "uniform": Golden(alike(WEIGHTS, uniform(0.02))),
    "truncated": Golden(alike(WEIGHTS, cut(0.02, 3))),
}
FANS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(BLOCK, (WIDTH, WIDTH)),
    **dict.fromkeys(("ffn_gate", "ffn_up"), (HIDDEN, WIDTH)),
    "ffn_down": (WIDTH, HIDDEN),
    "token_embedding": (VOCABULARY, WIDTH),
    "position_embedding": (1024, WIDTH),
    "lm_head": (VOCABULARY, WIDTH),
}
"""(fan_out, fan_in) of every kind of weight."""


def width_rule(name: str, kind: str) -> float:
    out, into = FANS[kind]
    return {
        "const": 1.0,
        "fan-in": 1 / math.sqrt(into),
        "fan-out": 1 / math.sqrt(out),
        "xavier": math.sqrt(2 / (into + out)),
        "small": 0.02282177322938192,  # √(2/3840)
        "base-width": 0.5773502691896258,  # √(256/768)
    }[name]


def depth_rule(name: str, layer: int) -> float:
    return {
        "none": 1.0,
        "inv-sqrt-2l": 0.2041241452319315,  # 1/√24
        "inv-sqrt-l": 0.2886751345948129,  # 1/√12
        "inv-sqrt-layer": 1 / math.sqrt(2 + 2 * layer),
        "two-over-l": 1 / 6,
        "inv-l": 1 / 12,
    }[name]


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


@pytest.mark.parametrize(("width", "depth"), [*product(WIDTH_RULES, ["none"]), *product(["fan-in"], DEPTH_RULES)])
def test_golden_of_every_rule(width: str, depth: str) -> None:
    def start(kind: str) -> Value:
        def at(place: Place) -> Start:
            quieter = depth_rule(depth, place.layer) if kind in ("attn_out", "ffn_down") else 1.0
            return normal(0.5 * width_rule(width, kind) * quieter)

        return at

    assert_golden(f"normal:std=0.5,width={width},depth={depth}", Golden({kind: start(kind) for kind in WEIGHTS}))


def test_the_three_families_share_their_rules() -> None:
    rules = "width=xavier,depth=inv-sqrt-layer"
    points = (f"normal:{rules}", f"uniform:{rules}", f"truncated:cut=2,{rules}")
    laws = [resolve(point).table(dims()) for point in points]
    for (slot, one), (_, flat), (_, short) in zip(*laws, strict=True):
        assert flat.dist.std == one.dist.std, slot.name
        # A normal cut at two sigmas keeps 1 - 4φ(2)/(2Φ(2) - 1) of its variance: .879626 of its std.
        assert short.dist.std == pytest.approx(0.87962566103423978 * one.dist.std, rel=1e-14), slot.name


@pytest.mark.parametrize(
    ("recipe", "point"),
    [
        ("gpt2", "normal"),
        ("depth-scaled", "normal:depth=inv-sqrt-2l"),
        ("note-inv-sqrt-depth", "normal:depth=inv-sqrt-l"),
        ("trunc-normal", "truncated:cut=2"),
    ],
)
def test_recipes_that_are_points_of_the_grid(recipe: str, point: str) -> None:
    assert stds(recipe, dims()) == pytest.approx(stds(point, dims()), rel=1e-15)
    assert resolve(recipe).blueprint(dims()).digest == resolve(point).blueprint(dims()).digest
