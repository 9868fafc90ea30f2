"""One residual branch: norm, attention or MLP, norms, scales; grams of the stream forward, of its gradient back.

Grams have shape (n + 2, n), see :mod:`initlab.theory.positions`. Weights are fresh and have mean zero, so a branch's
output is uncorrelated with its input, and E over the weights of a product of entries is a product of second moments.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from initlab.theory.attention import attention_backward, attention_moments, fold_qk_norm, mix
from initlab.theory.kernels import Kernel
from initlab.theory.norms import jacobian, normalise
from initlab.theory.positions import Array, PositionGrid, outer
from initlab.theory.theory_model import Attention, Branch, Matrix, Mlp, NormMoments

Mix: TypeAlias = Callable[[Array, Attention, PositionGrid, int], tuple[Array, float]]


@dataclass(frozen=True)
class Context:
    """What all branches of a network share; ``head_width`` that of one of attention's heads, ``mix`` is how attention averages (see :mod:`initlab.theory.scalar`)."""

    positions: PositionGrid
    kernel: Kernel
    width: int
    head_width: int
    mix: Mix = mix


@dataclass(frozen=True)
class BranchForward:
    """A branch's forward pass: grams after its norm, in its hidden vector, after its last matrix; ``added`` to x.

    Grams have shape (n + 2, n). ``logit_variance`` is that of attention's logits once a row's common shift is
    removed, 0 for an MLP.
    """

    normed: Array
    hidden: Array
    out: Array
    added: Array
    logit_variance: float


def branch_forward(stream: Array, branch: Branch, context: Context) -> BranchForward:
    """Return the branch's grams for a stream with this gram, shape (n + 2, n)."""
    normed = branch.incoming_scale * normalise(stream, branch.incoming, context.width)
    variance = 0.0
    if isinstance(branch.body, Attention):
        attention = fold_qk_norm(branch.body, context.positions.mean(normed), context.head_width)
        hidden, variance = context.mix(normed, attention, context.positions, context.width)
        last = attention.out
    else:
        hidden, channel_mean = _mlp(normed, branch.body, context.kernel)
        last = branch.body.down
        if branch.inner and branch.inner.kind == "layernorm":
            hidden = hidden - outer(channel_mean)  # it takes the channels' common mean away
    out = last.gain * normalise(hidden, _scaling(branch.inner), context.width) + last.bias
    added = branch.scale * normalise(out, branch.outgoing, context.width)
    return BranchForward(normed, hidden, out, added, variance)


def branch_backward(gradient: Array, stream: Array, branch: Branch, context: Context) -> Array:
    """Return the gram of the gradient that the branch sends to a stream with the gram ``stream``.

    ``gradient`` is that of what the branch adds; all have shape (n + 2, n). The forward pass is computed again rather
    than kept: its grams are the memory of the recursion.
    """
    forward, body = branch_forward(stream, branch, context), branch.body
    gradient = jacobian(branch.scale * gradient, forward.out, branch.outgoing, context.width)
    last = body.out if isinstance(body, Attention) else body.down
    hidden = jacobian(last.gain * gradient, forward.hidden, _scaling(branch.inner), context.width)
    if isinstance(body, Attention):
        attention = fold_qk_norm(body, context.positions.mean(forward.normed), context.head_width)
        moments = attention_moments(forward.normed, attention, context.positions, context.width)
        inside = attention_backward(hidden, forward.normed, attention, context.positions, moments)
    else:
        inside = hidden * _mlp_slopes(forward.normed, body, context.kernel)
    return jacobian(branch.incoming_scale * inside, stream, branch.incoming, context.width)


def affine(gram: Array, matrix: Matrix) -> Array:
    """Return the gram of what a fresh matrix and its bias make of vectors with this gram, shape (n + 2, n)."""
    return matrix.gain * gram + matrix.bias  # E⟨Wx, Wx'⟩/fan_out = fan_in·std²·⟨x, x'⟩/fan_in


def _mlp(normed: Array, mlp: Mlp, kernel: Kernel) -> tuple[Array, Array]:
    """Return the hidden gram, shape (n + 2, n), and the mean over hidden channels by position, shape (n,)."""
    if mlp.gate is None:
        before = affine(normed, mlp.up)
        return kernel.product(before), kernel.mean(before[-2])
    hidden = kernel.product(affine(normed, mlp.gate)) * affine(normed, mlp.up)
    return hidden, np.zeros(hidden.shape[1])  # a gated product is odd in up: no mean


def _mlp_slopes(normed: Array, mlp: Mlp, kernel: Kernel) -> Array:
    """Return what the hidden gradient's moments are multiplied by on their way to the MLP's input."""
    if mlp.gate is None:
        return mlp.up.gain * kernel.slopes(affine(normed, mlp.up))
    gate, up = affine(normed, mlp.gate), affine(normed, mlp.up)
    return mlp.up.gain * kernel.product(gate) + mlp.gate.gain * kernel.slopes(gate) * up  # product rule on f(g)·u


def _scaling(inner: NormMoments | None) -> NormMoments | None:
    """What a norm of hidden channels does once their mean, which is no small-sample effect there, is gone."""
    return inner and replace(inner, kind="rmsnorm")
