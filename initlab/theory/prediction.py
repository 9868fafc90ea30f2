"""What theory expects of a network at step 0, from its laws, sizes and text.

>>> setup = read(dims, init.topology(dims), init.table(dims), "gelu")
>>> predict(setup, Tokens.uniform(dims.vocab_size)).growth
"""

from dataclasses import dataclass, field

from initlab.theory import bands
from initlab.theory.attention import mix
from initlab.theory.backward import gradients
from initlab.theory.branches import Medium, Mix
from initlab.theory.forward import Trace, trace
from initlab.theory.head import Head, gradient, head
from initlab.theory.kernels import kernel
from initlab.theory.theory_model import Setup
from initlab.theory.positions import Positions, positions
from initlab.theory.scalar import mix_homogeneous, one_block
from initlab.theory.tokens import Tokens
from initlab.theory.validity import Note, notes

Curve = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Curves over the 2L + 1 sites of the stream, or the L layers; second moments are means over tokens and channels.

    ``grad_ms`` is the second moment of the gradient of the mean loss over a batch's tokens. ``bands`` has, for each
    curve and number, the standard deviation of one draw seen through one batch, in the curve's own unit.
    """

    residual_ms: Curve
    residual_var: Curve
    attn_ms: Curve
    mlp_ms: Curve
    token_cosine: Curve
    attn_logit_std: Curve
    logit_var: float
    initial_loss: float
    grad_ms: Curve | None
    validity: tuple[Note, ...]
    bands: dict[str, Curve] = field(repr=False)

    @property
    def growth(self) -> float:
        """residual_ms at the head over that at the embedding."""
        return self.residual_ms[-1] / self.residual_ms[0]


def predict(setup: Setup, tokens: Tokens, *, batch: int = 1, backward: bool = True) -> Prediction:
    """Return the prediction of the per-position recursion, for ``batch`` sequences of ``setup.length`` tokens."""
    return _predict(setup, tokens, positions(setup.length), mix, batch, backward=backward)


def summary(setup: Setup, tokens: Tokens, *, batch: int = 1) -> Prediction:
    """Return the prediction of the scalar closed form, in O(L) and without gradients."""
    return _predict(setup, tokens, one_block(setup.length), mix_homogeneous, batch, backward=False)


def _predict(setup: Setup, tokens: Tokens, at: Positions, mixing: Mix, batch: int, *, backward: bool) -> Prediction:
    medium = Medium(at, kernel(setup.activation), setup.width, mixing)
    way = trace(setup, tokens, medium)
    top = head(setup, way, at)
    ms = [at.mean(gram) for gram in way.stream]
    cosine = [at.cosine(gram) for gram in way.stream]
    stds = [passage.logit_variance**0.5 for passage in way.branches[::2]]
    curves = {
        "residual_ms": tuple(ms),
        "residual_var": tuple(
            (mean - float(at.weight @ common**2) / at.length) * (1 - 1 / setup.width)
            for mean, common in zip(ms, way.common, strict=True)
        ),
        "attn_ms": tuple(at.mean(passage.added) for passage in way.branches[::2]),
        "mlp_ms": tuple(at.mean(passage.added) for passage in way.branches[1::2]),
        "token_cosine": tuple(cosine),
    }
    relative = bands.stream_bands(setup, tokens, way, at, batch)
    branch = bands.branch_bands(setup, way.branches, at, batch)
    spread = {
        "residual_ms": _scaled(relative, curves["residual_ms"]),
        "residual_var": _scaled(relative, curves["residual_var"]),
        "attn_ms": _scaled(branch[::2], curves["attn_ms"]),
        "mlp_ms": _scaled(branch[1::2], curves["mlp_ms"]),
        "token_cosine": tuple(bands.cosine_bands(setup, cosine)),
        "logit_var": (bands.logit_band(top, at, setup.width, batch) * top.logit_variance,),
        "initial_loss": (bands.loss_band(tokens, top, at, batch),),
    }
    slopes = None
    if backward:
        slopes, spread["grad_ms"] = _backward(setup, tokens, way, top, medium, relative, batch)
    return Prediction(
        **curves,
        attn_logit_std=tuple(stds),
        logit_var=top.logit_variance,
        initial_loss=top.loss(tokens.next_equal),
        grad_ms=slopes,
        validity=notes(setup, tokens, stds, top),
        bands=spread,
    )


def _backward(
    setup: Setup, tokens: Tokens, way: Trace, top: Head, medium: Medium, relative: list[float], batch: int
) -> tuple[Curve, Curve]:
    """Return grad_ms of the mean loss and its band: the recursion's loss is summed over tokens."""
    at = medium.positions
    grams = gradients(setup, way, gradient(setup, tokens, way, top, at), medium)
    scatter = bands.gradient_bands(setup, grams, relative, at, batch)
    sizes = tuple(at.mean(gram) / (batch * at.length) ** 2 for gram in grams)
    return sizes, _scaled(scatter, sizes)


def _scaled(relative: list[float], curve: Curve) -> Curve:
    return tuple(band * value for band, value in zip(relative, curve, strict=True))
