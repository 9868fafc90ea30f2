"""What theory expects of a network at step 0, from its laws, sizes and text.

>>> model = model_from_laws(blueprint, "gelu")
>>> predict(model, TokenStatistics.uniform(model.vocab)).growth
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from initlab.theory import bands
from initlab.theory.attention import mix
from initlab.theory.backward import BackwardTrace, backward_trace
from initlab.theory.branches import Context, Mix
from initlab.theory.forward import ForwardTrace, forward_trace, repeats
from initlab.theory.head import LogitMoments, error_gram, logit_moments, loss_gradient
from initlab.theory.kernels import TINY, kernel
from initlab.theory.positions import Array, PositionGrid, coarse_grid, grid_for_depth, outer
from initlab.theory.range import require_finite
from initlab.theory.scalar import mix_homogeneous, one_block
from initlab.theory.theory_model import TheoryModel
from initlab.theory.tokens import TokenStatistics
from initlab.theory.validity import Caveat, caveats

DepthCurve: TypeAlias = tuple[float, ...]

FORWARD_CURVES = ("residual_ms", "residual_var", "attn_ms", "mlp_ms", "token_cosine")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Curves over the 2L + 1 sites of the stream (``residual_*``, ``token_cosine``, ``grad_ms``), or the L layers.

    Second moments are means over tokens and channels, ``initial_loss`` is nats per token.
    ``grad_ms`` is the second moment of the gradient of the mean loss over a batch's tokens. ``bands`` has, for each
    curve and number, the standard deviation of one draw seen through one batch, in the curve's own unit.
    """

    residual_ms: DepthCurve
    residual_var: DepthCurve
    attn_ms: DepthCurve
    mlp_ms: DepthCurve
    token_cosine: DepthCurve
    attn_logit_std: DepthCurve
    logit_var: float
    initial_loss: float
    grad_ms: DepthCurve | None
    validity: tuple[Caveat, ...]
    bands: dict[str, DepthCurve] = field(repr=False)

    @property
    def growth(self) -> float:
        """residual_ms at the head over that at the embedding."""
        return self.residual_ms[-1] / self.residual_ms[0]


def predict(model: TheoryModel, tokens: TokenStatistics, *, batch: int = 1, backward: bool = True) -> Prediction:
    """Return the prediction of the per-position recursion, for ``batch`` sequences of ``model.length`` tokens.

    Raises OutOfRange where a number of it is beyond what a float can hold.
    """
    coarse = coarse_grid(model.length)
    with np.errstate(all="ignore"):  # what overflows is refused by name
        return _predict(
            model, tokens, (grid_for_depth(model.length, model.layers), mix), (coarse, mix), batch, backward
        )


def summary(model: TheoryModel, tokens: TokenStatistics, *, batch: int = 1) -> Prediction:
    """Return the prediction of the scalar closed form, in O(L) and without gradients; raises OutOfRange."""
    form = one_block(model.length), mix_homogeneous
    with np.errstate(all="ignore"):
        return _predict(model, tokens, form, form, batch, backward=False)


@dataclass(frozen=True)
class _Solution:
    """The grams of a network and a text, and their averages; ``errors`` are those of the head's softmax."""

    context: Context
    trace: ForwardTrace
    logits: LogitMoments
    errors: Array
    backward: BackwardTrace | None
    curves: dict[str, DepthCurve]


def _solve(model: TheoryModel, tokens: TokenStatistics, form: tuple[PositionGrid, Mix], backward: bool) -> _Solution:
    positions, mixing = form
    chances = repeats(tokens, positions)
    context = Context(
        positions, kernel(model.activation), model.width, model.width // model.heads, chances, tokens.unequal, mixing
    )
    trace = forward_trace(model, tokens, context)
    curves = _curves(model, trace, positions)
    require_finite(curves)
    logits = logit_moments(model, trace, positions)
    require_finite({"logit_var": (logits.logit_variance, logits.own)})
    errors, alike = error_gram(model, tokens, logits, positions)
    back = None
    if backward:
        last = loss_gradient(model, trace, logits, errors)
        per_error = last[-2] / np.maximum(errors[-2], TINY)
        back = backward_trace(model, trace, last, alike * outer(np.sqrt(per_error)), context)
        curves["grad_ms"] = tuple(positions.mean(gram) for gram in back.gradients)
    return _Solution(context, trace, logits, errors, back, curves)


def _predict(
    model: TheoryModel,
    tokens: TokenStatistics,
    form: tuple[PositionGrid, Mix],
    coarse: tuple[PositionGrid, Mix],
    batch: int,
    backward: bool,
) -> Prediction:
    found = _solve(model, tokens, form, backward)
    moved = _moved_by_tokens(model, tokens, found, coarse, batch)
    spread = _bands(model, tokens, found, moved["token_cosine"], batch)
    for name, shifts in moved.items():
        spread[name] = tuple(map(math.hypot, spread[name], shifts))
    stds = [branch.logit_variance**0.5 for branch in found.trace.branches[::2]]
    numbers = {**found.curves, "logit_var": (found.logits.logit_variance,)}
    per_token = (batch * model.length) ** 2
    if backward:
        numbers["grad_ms"], spread["grad_ms"] = (
            tuple(value / per_token for value in curve) for curve in (found.curves["grad_ms"], spread["grad_ms"])
        )
    numbers["initial_loss"] = (found.logits.loss(tokens.next_equal),)
    require_finite({**numbers, **{f"band of {name}": band for name, band in spread.items()}})
    return Prediction(
        **{name: numbers[name] for name in FORWARD_CURVES},
        attn_logit_std=tuple(stds),
        logit_var=numbers["logit_var"][0],
        initial_loss=numbers["initial_loss"][0],
        grad_ms=numbers.get("grad_ms"),
        validity=caveats(model, tokens, stds, found.logits, numbers, spread),
        bands=spread,
    )


def _moved_by_tokens(
    model: TheoryModel, tokens: TokenStatistics, found: _Solution, coarse: tuple[PositionGrid, Mix], batch: int
) -> dict[str, DepthCurve]:
    """Return how far each curve moves in a batch whose tokens agree more often, by one standard deviation."""
    texts = tokens, tokens.shifted(tokens.scatter(model.length, batch))
    here, there = (_solve(model, text, coarse, found.backward is not None).curves for text in texts)
    moved = {}
    for name, curve in found.curves.items():
        pairs = zip(here[name], there[name], curve, strict=True)
        if name == "token_cosine":
            moved[name] = tuple(abs(two - one) for one, two, _ in pairs)
        else:  # the coarse grid's own error is in both: a curve over orders of magnitude moves by a factor
            moved[name] = tuple(abs(two - one) * (value / one if one else 1.0) for one, two, value in pairs)
    return moved


def _curves(model: TheoryModel, trace: ForwardTrace, positions: PositionGrid) -> dict[str, DepthCurve]:
    """Return means over positions: (2L + 1,) values of the stream, (L,) of each kind of branch."""
    ms = [positions.mean(gram) for gram in trace.stream]
    return {
        "residual_ms": tuple(ms),
        # A vector's variance over its channels lacks the square of their mean; of d drawn channels 1 - 1/d is left.
        "residual_var": tuple(
            (mean - float(positions.weight @ common**2) / positions.length) * (1 - 1 / model.width)
            for mean, common in zip(ms, trace.common, strict=True)
        ),
        "attn_ms": tuple(positions.mean(branch.added) for branch in trace.branches[::2]),
        "mlp_ms": tuple(positions.mean(branch.added) for branch in trace.branches[1::2]),
        "token_cosine": tuple(positions.cosine(gram) for gram in trace.stream),
    }


def _bands(
    model: TheoryModel, tokens: TokenStatistics, found: _Solution, moved: DepthCurve, batch: int
) -> dict[str, DepthCurve]:
    """Return the scatter of draws of the weights, in the unit of each curve, for tokens as they are on average."""
    context, trace, curves, logits = found.context, found.trace, found.curves, found.logits
    stream = bands.stream_bands(model, trace, context, batch)
    undrawn = bands.undrawn(model, trace, context.positions)
    fresh = bands.cosine_bands(model, trace.stream, undrawn, context.positions, batch)
    cosines = bands.carried(model, trace, fresh, moved, context.positions)
    branch = bands.branch_bands(model, trace, cosines, context, batch)
    loss = bands.loss_band(model, logits, found.errors, tokens.next_equal, context.positions, batch)
    spread = {
        "residual_ms": _scaled(stream, curves["residual_ms"]),
        "residual_var": _scaled(stream, curves["residual_var"]),
        "attn_ms": _scaled(branch[::2], curves["attn_ms"]),
        "mlp_ms": _scaled(branch[1::2], curves["mlp_ms"]),
        "token_cosine": tuple(cosines),
        "logit_var": (bands.logit_band(model, logits, trace, context, batch) * logits.logit_variance,),
        "initial_loss": (loss,),
    }
    if found.backward:
        back = found.backward
        scatter = bands.gradient_bands(model, trace, back.gradients, back.alike, context, batch)
        spread["grad_ms"] = _scaled(scatter, curves["grad_ms"])
    return spread


def _scaled(relative: list[float], curve: DepthCurve) -> DepthCurve:
    return tuple(band * value for band, value in zip(relative, curve, strict=True))
