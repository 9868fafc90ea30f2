"""LayerNorm and RMSNorm acting on grams, and their Jacobians acting on the grams of gradients."""

import numpy as np

from initlab.theory.theory_model import EPS, Norm
from initlab.theory.positions import Array, outer


def normalise(gram: Array, norm: Norm | None, width: int) -> Array:
    """Return the second moments after the norm; without one, ``gram`` itself."""
    if norm is None:
        return gram
    seen = _centring(norm, width) * gram
    return norm.gain * seen / outer(np.sqrt(seen[-2] + EPS)) + norm.bias


def centred(gram: Array, common: Array, norm: Norm | None) -> Array:
    """Return the gram that a norm sees: LayerNorm takes away the channels' ``common`` mean, known by position."""
    return gram - outer(common) if norm and norm.kind == "layernorm" else gram


def jacobian(gradient: Array, gram: Array, norm: Norm | None, width: int, *, rigid: float = 0.0) -> Array:
    """Return the gradient's second moments before the norm of a stream whose moments are ``gram``.

    The Jacobian is a projection off x, and off the constant vector for LayerNorm, over the standard deviation of the
    draw. A gradient that does not know x loses 1/d to each direction; but 1/σ² of d Gaussian channels averages
    1 + 2/d times the inverse of its mean. Together 1 + O(1/d²) for LayerNorm, 1 + 1/d for RMSNorm. That
    scatter is missing where another norm has just set the length of the stream, or of the part ``rigid`` of its
    moment: then the first projection costs what it should, and the next ones find nothing more to take.
    """
    if norm is None:
        return gradient
    kept = 1 + ((0 if norm.kind == "layernorm" else 1) - 2 * rigid) / width
    return norm.gain * kept * gradient / outer(np.sqrt(_centring(norm, width) * gram[-2] + EPS))


def _centring(norm: Norm, width: int) -> float:
    return 1 - 1 / width if norm.kind == "layernorm" else 1.0
