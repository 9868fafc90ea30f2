"""An orthogonal family: a distribution × a width rule × a depth rule × a base std.

``normal:std=0.01,width=fan-in,depth=inv-sqrt-2l`` draws every weight with std · width rule, and the two residual
projections with the depth rule besides. Most recipes of the field are a point of this grid.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

from initlab.inits.compose import (
    Factor,
    inv_sqrt_2l,
    inv_sqrt_fan_in,
    inv_sqrt_layer,
    scaled,
    weights,
    writes_residual,
)
from initlab.inits.strategy import Strategy, init
from initlab.network.laws import Dist, Normal, TruncNormal, Uniform

WidthRule: TypeAlias = Literal["const", "fan-in", "fan-out", "xavier", "small", "base-width"]
DepthRule: TypeAlias = Literal["none", "inv-sqrt-2l", "inv-sqrt-l", "inv-sqrt-layer", "two-over-l", "inv-l"]

WIDTH_RULES: dict[WidthRule, Factor] = {
    "const": lambda slot: 1.0,
    "fan-in": inv_sqrt_fan_in,
    "fan-out": lambda slot: 1 / math.sqrt(slot.fan_out),
    "xavier": lambda slot: math.sqrt(2 / (slot.fan_in + slot.fan_out)),
    "small": lambda slot: math.sqrt(2 / (5 * slot.dims.n_embd)),
    "base-width": lambda slot: math.sqrt(1 / slot.dims.width_ratio),
}
"""Factors on the std of every weight: none, one over the root of a fan, Glorot's, Nguyen & Salazar's small init, and
√(base width / width), which carries a std tuned at the base width to this one."""

DEPTH_RULES: dict[DepthRule, Factor] = {
    "none": lambda slot: 1.0,
    "inv-sqrt-2l": inv_sqrt_2l,
    "inv-sqrt-l": lambda slot: 1 / math.sqrt(slot.dims.n_layer),
    "inv-sqrt-layer": inv_sqrt_layer,
    "two-over-l": lambda slot: 2 / slot.dims.n_layer,
    "inv-l": lambda slot: 1 / slot.dims.n_layer,
}
"""Factors on the std of the residual projections; ``inv-sqrt-layer`` counts branches up to the slot's own layer."""

SOURCE = "the width and depth rules of the recipes in this catalogue, as independent axes"


@init("normal", source=SOURCE)
def normal_family(std: float = 0.02, width: WidthRule = "const", depth: DepthRule = "none") -> Strategy:
    """A family of normal inits: base std × width rule × depth rule on the residual projections.

    The rules are factors: with a width rule the base std is a gain.
    """
    return _grid(lambda factor: Normal(std * factor), width, depth)


@init("uniform", source=SOURCE)
def uniform_family(std: float = 0.02, width: WidthRule = "const", depth: DepthRule = "none") -> Strategy:
    """The same family with uniform draws of that std.

    What a distribution's shape does, with its variance held fixed.
    """
    return _grid(lambda factor: Uniform(std * factor), width, depth)


@init("truncated", source=SOURCE)
def truncated_family(
    std: float = 0.02, cut: float = 3.0, width: WidthRule = "const", depth: DepthRule = "none"
) -> Strategy:
    """The same family with normals cut at ``cut`` sigmas; std is the sigma before the cut.

    As OLMo's code speaks of it, the realised std is a little smaller.
    """
    return _grid(lambda factor: TruncNormal(std * factor, cut), width, depth)


def _grid(dist: Callable[[float], Dist], width: WidthRule, depth: DepthRule) -> Strategy:
    base = weights(lambda slot: dist(WIDTH_RULES[width](slot)))
    return Strategy(scaled(base, writes_residual, DEPTH_RULES[depth]))
