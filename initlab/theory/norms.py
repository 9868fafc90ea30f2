"""LayerNorm and RMSNorm acting on grams, and their Jacobians acting on the grams of gradients."""

import numpy as np

from initlab.theory.positions import Array, outer
from initlab.theory.setup import EPS, Norm


def normalise(gram: Array, norm: Norm | None, width: int) -> Array:
    """Return the second moments after the norm; without one, ``gram`` itself."""
    if norm is None:
        return gram
    centred = _centring(norm, width) * gram
    return norm.gain * centred / outer(np.sqrt(centred[-2] + EPS)) + norm.bias


def jacobian(gradient: Array, gram: Array, norm: Norm | None, width: int, *, rigid: bool = False) -> Array:
    """Return the gradient's second moments before the norm of a stream whose moments are ``gram``.

    The Jacobian is a projection off x, and off the constant vector for LayerNorm, over the standard deviation of the
    draw. A gradient that does not know x loses 1/d to each direction; but 1/σ² of d Gaussian channels averages
    1 + 2/d times the inverse of its mean. Together 1 + O(1/d²) for LayerNorm, 1 + 1/d for RMSNorm. A ``rigid``
    stream, whose length another norm has just set, has no such scatter; later projections have then taken what they
    take already.
    """
    if norm is None:
        return gradient
    kept = 1 + ((0 if norm.kind == "layernorm" else 1) - 2 * rigid) / width
    return norm.gain * kept * gradient / outer(np.sqrt(_centring(norm, width) * gram[-2] + EPS))


def _centring(norm: Norm, width: int) -> float:
    return 1 - 1 / width if norm.kind == "layernorm" else 1.0
