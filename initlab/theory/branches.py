"""One residual branch: norm, attention or MLP, norms, scales; grams of the stream forward, of its gradient back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from initlab.theory.attention import attend_back, attending, effective, mix
from initlab.theory.kernels import Kernel
from initlab.theory.theory_model import Attention, Branch, Matrix, Mlp, Norm
from initlab.theory.norms import jacobian, normalise
from initlab.theory.positions import Array, Positions, outer

Mix: TypeAlias = Callable[[Array, Attention, Positions, int], tuple[Array, float]]


@dataclass(frozen=True)
class Medium:
    """What all branches of a network share; ``mix`` is how attention averages (see :mod:`initlab.theory.scalar`)."""

    positions: Positions
    kernel: Kernel
    width: int
    mix: Mix = mix


@dataclass(frozen=True)
class Passage:
    """A branch's way forward: grams after its norm, in its hidden vector, after its last matrix; ``added`` to x.

    ``logit_variance`` is that of attention's logits once a row's common shift is removed, 0 for an MLP.
    """

    read: Array
    hidden: Array
    out: Array
    added: Array
    logit_variance: float


def forward(stream: Array, branch: Branch, medium: Medium) -> Passage:
    """Return how a stream with these moments passes through the branch."""
    read = branch.incoming_scale * normalise(stream, branch.incoming, medium.width)
    variance = 0.0
    if isinstance(branch.body, Attention):
        attention = effective(branch.body, medium.positions.mean(read))
        hidden, variance = medium.mix(read, attention, medium.positions, medium.width)
        last = attention.out
    else:
        hidden, shared = _mlp(read, branch.body, medium.kernel)
        last = branch.body.down
        if branch.inner and branch.inner.kind == "layernorm":
            hidden = hidden - outer(shared)  # it takes the channels' common mean away
    out = last.gain * normalise(hidden, _scaling(branch.inner), medium.width) + last.bias
    added = branch.scale * normalise(out, branch.outgoing, medium.width)
    return Passage(read, hidden, out, added, variance)


def backward(gradient: Array, stream: Array, branch: Branch, medium: Medium) -> Array:
    """Return the gram of the gradient that the branch sends to a stream of these moments.

    ``gradient`` is that of what the branch adds. The way forward is computed again rather than kept.
    """
    way, body = forward(stream, branch, medium), branch.body
    gradient = jacobian(branch.scale * gradient, way.out, branch.outgoing, medium.width)
    last = body.out if isinstance(body, Attention) else body.down
    hidden = jacobian(last.gain * gradient, way.hidden, _scaling(branch.inner), medium.width)
    if isinstance(body, Attention):
        attention = effective(body, medium.positions.mean(way.read))
        at = attending(way.read, attention, medium.positions, medium.width)
        inside = attend_back(hidden, way.read, attention, medium.positions, at)
    else:
        inside = hidden * _mlp_slopes(way.read, body, medium.kernel)
    return jacobian(branch.incoming_scale * inside, stream, branch.incoming, medium.width)


def affine(read: Array, matrix: Matrix) -> Array:
    """Return the gram of what a fresh matrix and its bias make of vectors with the gram ``read``."""
    return matrix.gain * read + matrix.bias


def _mlp(read: Array, mlp: Mlp, kernel: Kernel) -> tuple[Array, Array]:
    """Return the hidden gram, and the mean over hidden channels by position."""
    if mlp.gate is None:
        before = affine(read, mlp.up)
        return kernel.product(before), kernel.mean(before[-2])
    hidden = kernel.product(affine(read, mlp.gate)) * affine(read, mlp.up)
    return hidden, np.zeros(hidden.shape[1])  # a gated product is odd in up: no mean


def _mlp_slopes(read: Array, mlp: Mlp, kernel: Kernel) -> Array:
    """Return what the hidden gradient's moments are multiplied by on their way to the MLP's input."""
    if mlp.gate is None:
        return mlp.up.gain * kernel.slopes(affine(read, mlp.up))
    gate, up = affine(read, mlp.gate), affine(read, mlp.up)
    return mlp.up.gain * kernel.product(gate) + mlp.gate.gain * kernel.slopes(gate) * up


def _scaling(inner: Norm | None) -> Norm | None:
    """What a norm of hidden channels does once their mean, which is no small-sample effect there, is gone."""
    return inner and replace(inner, kind="rmsnorm")
