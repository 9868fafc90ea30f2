"""One residual branch: norm, attention or MLP, norms, scales; grams of the stream forward, of its gradient back.

Grams have shape (n + 2, n), see :mod:`initlab.theory.positions`. Weights are fresh and have mean zero, so a branch's
output is uncorrelated with its input, and E over the weights of a product of entries is a product of second moments.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from initlab.theory.attention import Mixed, TokenGrams, attention_backward, attention_moments, fold_qk_norm, mix
from initlab.theory.kernels import TINY, Kernel
from initlab.theory.norms import jacobian, normalise
from initlab.theory.positions import Array, PositionGrid, outer
from initlab.theory.theory_model import Attention, Branch, Matrix, Mlp, NormMoments

Mix: TypeAlias = Callable[[TokenGrams, Attention, PositionGrid, int], Mixed]

NEGLIGIBLE = 1e-5
"""Share of a gram's square that its scatter from pair to pair may have to be left out."""


@dataclass(frozen=True)
class Context:
    """What all branches of a network share; ``mix`` is how attention averages (see :mod:`initlab.theory.scalar`).

    ``head_width`` is that of one of attention's heads, ``repeats`` the gram of the chance that two positions hold the
    same token, ``unequal`` the variance of that which is left once tokens' own frequencies are known
    (:attr:`initlab.theory.tokens.TokenStatistics.unequal`).
    """

    positions: PositionGrid
    kernel: Kernel
    width: int
    head_width: int
    repeats: Array
    unequal: float = 0.0
    mix: Mix = mix


@dataclass(frozen=True)
class BranchForward:
    """A branch's forward pass: grams after its norm, in its hidden vector, after its last matrix; ``added`` to x.

    Grams have shape (n + 2, n). ``alike`` is how much more two positions share of the branch's input, ``alike_added``
    of what it adds, if they hold the same token than if they do not. ``logit_variance`` is that of attention's logits
    once a row's common shift is removed, 0 for an MLP.
    """

    normed: Array
    hidden: Array
    out: Array
    added: Array
    alike: Array
    alike_added: Array
    logit_variance: float


def branch_forward(stream: Array, alike: Array, branch: Branch, context: Context) -> BranchForward:
    """Return the branch's grams for a stream with this gram and the excess ``alike``, both of shape (n + 2, n)."""
    normed = branch.incoming_scale * normalise(stream, branch.incoming, context.width)
    size = np.sqrt(normed[-2] / np.maximum(stream[-2], TINY))
    alike = alike * outer(size)
    variance = 0.0
    if isinstance(branch.body, Attention):
        attention = fold_qk_norm(branch.body, context.positions.mean(normed), context.head_width)
        mixed = context.mix(TokenGrams(normed, alike, context.unequal), attention, context.positions, context.width)
        hidden, hidden_alike, variance = mixed.gram, mixed.alike, mixed.logit_variance
        last = attention.out
    else:
        hidden, hidden_alike, channel_mean = _mlp(normed, alike, branch.body, context)
        last = branch.body.down
        if branch.inner and branch.inner.kind == "layernorm":
            hidden = hidden - outer(channel_mean)  # it takes the channels' common mean away
    out = last.gain * normalise(hidden, _scaling(branch.inner), context.width) + last.bias
    added = branch.scale * normalise(out, branch.outgoing, context.width)
    size = np.sqrt(added[-2] / np.maximum(hidden[-2], TINY))
    return BranchForward(normed, hidden, out, added, alike, hidden_alike * outer(size), variance)


def branch_backward(gradient: Array, stream: Array, alike: Array, branch: Branch, context: Context) -> Array:
    """Return the gram of the gradient that the branch sends to a stream with the gram ``stream``.

    ``gradient`` is that of what the branch adds; all have shape (n + 2, n). The forward pass is computed again rather
    than kept: its grams are the memory of the recursion.
    """
    forward, body = branch_forward(stream, alike, branch, context), branch.body
    gradient = jacobian(branch.scale * gradient, forward.out, branch.outgoing, context.width)
    last = body.out if isinstance(body, Attention) else body.down
    hidden = jacobian(last.gain * gradient, forward.hidden, _scaling(branch.inner), context.width)
    if isinstance(body, Attention):
        attention = fold_qk_norm(body, context.positions.mean(forward.normed), context.head_width)
        grams = TokenGrams(forward.normed, forward.alike, context.unequal)
        moments = attention_moments(grams, attention, context.positions, context.width)
        inside = attention_backward(hidden, forward.normed, attention, context.positions, moments)
    else:
        inside = hidden * _mlp_slopes(forward.normed, body, context.kernel)
    return jacobian(branch.incoming_scale * inside, stream, branch.incoming, context.width)


def affine(gram: Array, matrix: Matrix) -> Array:
    """Return the gram of what a fresh matrix and its bias make of vectors with this gram, shape (n + 2, n)."""
    return matrix.gain * gram + matrix.bias  # E⟨Wx, Wx'⟩/fan_out = fan_in·std²·⟨x, x'⟩/fan_in


def _mlp(normed: Array, alike: Array, mlp: Mlp, context: Context) -> tuple[Array, Array, Array]:
    """Return the hidden gram and its excess, shape (n + 2, n), and the hidden channels' mean by position, (n,)."""
    acts_on = mlp.gate or mlp.up
    same, other = apart(affine(normed, acts_on), acts_on.gain * alike, context.repeats)
    if same is other:
        hidden = same = other = context.kernel.product(same)
    else:
        same, other = context.kernel.product(same), context.kernel.product(other)
        hidden = other + context.repeats * (same - other)
    if mlp.gate is None:
        return hidden, same - other, context.kernel.mean(affine(normed, mlp.up)[-2])
    linear, excess = affine(normed, mlp.up), mlp.up.gain * alike
    no_mean = np.zeros(hidden.shape[1])  # it is odd in up
    return hidden * linear, (same - other) * linear + hidden * excess, no_mean


def apart(gram: Array, alike: Array, repeats: Array) -> tuple[Array, Array]:
    """Return the grams of two positions that hold the same token, and of two that do not; one where it is little.

    What a nonlinearity makes of their mean is not the mean of what it makes of them.
    """
    scatter = float((alike**2 * repeats * (1 - repeats)).max(initial=0.0))
    if scatter < NEGLIGIBLE * float(gram[-2].max(initial=0.0)) ** 2:
        return gram, gram
    same, other = gram + (1 - repeats) * alike, gram - repeats * alike
    other[-2] = gram[-2]  # a position holds the same token as itself; kernels read their variances there
    return same, other


def _mlp_slopes(normed: Array, mlp: Mlp, kernel: Kernel) -> Array:
    """Return what the hidden gradient's moments are multiplied by on their way to the MLP's input."""
    if mlp.gate is None:
        return mlp.up.gain * kernel.slopes(affine(normed, mlp.up))
    gate, up = affine(normed, mlp.gate), affine(normed, mlp.up)
    return mlp.up.gain * kernel.product(gate) + mlp.gate.gain * kernel.slopes(gate) * up  # product rule on f(g)·u


def _scaling(inner: NormMoments | None) -> NormMoments | None:
    """What a norm of hidden channels does once their mean, which is no small-sample effect there, is gone."""
    return inner and replace(inner, kind="rmsnorm")
