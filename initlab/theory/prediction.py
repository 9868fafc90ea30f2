"""What theory expects of a network at step 0, from its laws, sizes and text.

>>> model = model_from_laws(blueprint, "gelu")
>>> predict(model, TokenStatistics.uniform(model.vocab)).growth
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from initlab.theory import bands
from initlab.theory.attention import mix
from initlab.theory.backward import gradients
from initlab.theory.branches import Context, Mix
from initlab.theory.forward import ForwardTrace, forward_trace
from initlab.theory.head import LogitMoments, logit_moments, loss_gradient
from initlab.theory.kernels import kernel
from initlab.theory.positions import PositionGrid, position_grid
from initlab.theory.scalar import mix_homogeneous, one_block
from initlab.theory.theory_model import TheoryModel
from initlab.theory.tokens import TokenStatistics
from initlab.theory.validity import Caveat, caveats

DepthCurve: TypeAlias = tuple[float, ...]


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
    """Return the prediction of the per-position recursion, for ``batch`` sequences of ``model.length`` tokens."""
    return _predict(model, tokens, position_grid(model.length), mix, batch, backward=backward)


def summary(model: TheoryModel, tokens: TokenStatistics, *, batch: int = 1) -> Prediction:
    """Return the prediction of the scalar closed form, in O(L) and without gradients."""
    return _predict(model, tokens, one_block(model.length), mix_homogeneous, batch, backward=False)


def _predict(
    model: TheoryModel, tokens: TokenStatistics, positions: PositionGrid, mixing: Mix, batch: int, *, backward: bool
) -> Prediction:
    context = Context(positions, kernel(model.activation), model.width, model.width // model.heads, mixing)
    trace = forward_trace(model, tokens, context)
    logits = logit_moments(model, trace, positions)
    stds = [branch.logit_variance**0.5 for branch in trace.branches[::2]]
    curves = _curves(model, trace, positions)
    relative = bands.stream_bands(model, tokens, trace, positions, batch)
    branch = bands.branch_bands(model, trace.branches, positions, batch)
    spread = {
        "residual_ms": _scaled(relative, curves["residual_ms"]),
        "residual_var": _scaled(relative, curves["residual_var"]),
        "attn_ms": _scaled(branch[::2], curves["attn_ms"]),
        "mlp_ms": _scaled(branch[1::2], curves["mlp_ms"]),
        "token_cosine": tuple(bands.cosine_bands(model, curves["token_cosine"])),
        "logit_var": (bands.logit_band(logits, positions, model.width, batch) * logits.logit_variance,),
        "initial_loss": (bands.loss_band(tokens, logits, positions, batch),),
    }
    slopes = None
    if backward:
        slopes, spread["grad_ms"] = _backward(model, tokens, trace, logits, context, relative, batch)
    return Prediction(
        **curves,
        attn_logit_std=tuple(stds),
        logit_var=logits.logit_variance,
        initial_loss=logits.loss(tokens.next_equal),
        grad_ms=slopes,
        validity=caveats(model, tokens, stds, logits),
        bands=spread,
    )


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


def _backward(
    model: TheoryModel,
    tokens: TokenStatistics,
    trace: ForwardTrace,
    logits: LogitMoments,
    context: Context,
    relative: list[float],
    batch: int,
) -> tuple[DepthCurve, DepthCurve]:
    """Return grad_ms of the mean loss and its band, (2L + 1,) each: the recursion's loss is summed over tokens."""
    positions = context.positions
    last = loss_gradient(model, tokens, trace, logits, positions)
    grams = gradients(model, trace, last, context)
    scatter = bands.gradient_bands(model, grams, relative, positions, batch)
    sizes = tuple(positions.mean(gram) / (batch * positions.length) ** 2 for gram in grams)
    return sizes, _scaled(scatter, sizes)


def _scaled(relative: list[float], curve: DepthCurve) -> DepthCurve:
    return tuple(band * value for band, value in zip(relative, curve, strict=True))
