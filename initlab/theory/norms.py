"""LayerNorm and RMSNorm acting on grams, and their Jacobians acting on the grams of gradients."""

import numpy as np

from initlab.theory.positions import Array, outer
from initlab.theory.theory_model import EPS, NormMoments


def normalise(gram: Array, norm: NormMoments | None, width: int) -> Array:
    """Return the gram after the norm, shape (n + 2, n); without one, ``gram`` itself."""
    if norm is None:
        return gram
    centred_gram = _centring(norm, width) * gram
    return norm.gain * centred_gram / outer(np.sqrt(centred_gram[-2] + EPS)) + norm.bias


def centred(gram: Array, common: Array, norm: NormMoments | None) -> Array:
    """Return the gram that a norm sees: LayerNorm takes away the channels' ``common`` mean.

    Grams have shape (n + 2, n), ``common`` shape (n,).
    """
    return gram - outer(common) if norm and norm.kind == "layernorm" else gram


def jacobian(
    gradient: Array,
    gram: Array,
    norm: NormMoments | None,
    width: int,
    *,
    rigid: float = 0.0,
    radial: float = 1.0,
    common: float = 1.0,
) -> Array:
    """Return the gradient's gram before the norm of a stream whose gram is ``gram``, both of shape (n + 2, n).

    The Jacobian is a projection off x, and off the constant vector for LayerNorm, over the standard deviation of the
    draw. A gradient that does not know x loses 1/d to each direction; but 1/σ² of d Gaussian channels averages
    1 + 2/d times the inverse of its mean. Together 1 + O(1/d²) for LayerNorm, 1 + 1/d for RMSNorm. That scatter is
    missing from the part ``rigid`` of the squared moment, whose length another norm has just set. ``radial`` and
    ``common`` are the shares of the gradient that still have a part along x and along the constant vector to lose.
    """
    if norm is None:
        return gradient
    lost = radial + (common if norm.kind == "layernorm" else 0.0)
    kept = 1 + (2 * (1 - rigid) - lost) / width
    return norm.gain * kept * gradient / outer(np.sqrt(_centring(norm, width) * gram[-2] + EPS))


def _centring(norm: NormMoments, width: int) -> float:
    """Return what taking the channels' mean away leaves of the variance of d independent ones."""
    return 1 - 1 / width if norm.kind == "layernorm" else 1.0
