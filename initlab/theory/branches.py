"""One residual branch: norm, attention or MLP, norms, scales; forward on grams of the stream, back on its gradient's."""

from dataclasses import dataclass, replace

import numpy as np

from initlab.theory.attention import Attending, attend, attend_back, attending, effective
from initlab.theory.kernels import Kernel
from initlab.theory.norms import jacobian, normalise
from initlab.theory.positions import Array, Positions, outer
from initlab.theory.setup import Attention, Branch, Matrix, Mlp, Norm


@dataclass(frozen=True)
class Medium:
    """What all branches of a network share."""

    positions: Positions
    kernel: Kernel
    width: int


@dataclass(frozen=True)
class Passage:
    """A branch's way forward: grams after its norm, in its hidden vector, after its last matrix; ``added`` to x."""

    read: Array
    hidden: Array
    out: Array
    added: Array
    at: Attending | None

    @property
    def logit_std(self) -> float:
        return float(np.sqrt(self.at.logit_variance)) if self.at else 0.0


def forward(stream: Array, branch: Branch, medium: Medium) -> Passage:
    """Return how a stream with these moments passes through the branch."""
    read = branch.incoming_scale * normalise(stream, branch.incoming, medium.width)
    at = None
    if isinstance(branch.body, Attention):
        attention = effective(branch.body, medium.positions.mean(read))
        at = attending(read, attention, medium.positions, medium.width)
        hidden, last = attend(read, attention, medium.positions, at), attention.out
        shared = np.zeros(len(medium.positions))
    else:
        hidden, shared, last = *_mlp(read, branch.body, medium.kernel), branch.body.down
    if branch.inner and branch.inner.kind == "layernorm":
        hidden = hidden - outer(shared)  # it takes the channels' common mean away
    out = last.gain * normalise(hidden, _scaling(branch.inner), medium.width) + last.bias
    added = branch.scale * normalise(out, branch.outgoing, medium.width)
    return Passage(read, hidden, out, added, at)


def backward(gradient: Array, stream: Array, branch: Branch, medium: Medium) -> Array:
    """Return the gram of the gradient that the branch sends to a stream of these moments.

    ``gradient`` is that of what the branch adds. The way forward is computed again rather than kept.
    """
    way = forward(stream, branch, medium)
    gradient = jacobian(branch.scale * gradient, way.out, branch.outgoing, medium.width)
    body = branch.body
    if isinstance(body, Attention):
        attention = effective(body, medium.positions.mean(way.read))
        assert way.at is not None
        hidden = jacobian(attention.out.gain * gradient, way.hidden, _scaling(branch.inner), medium.width)
        inside = attend_back(hidden, way.read, attention, medium.positions, way.at)
    else:
        hidden = jacobian(body.down.gain * gradient, way.hidden, _scaling(branch.inner), medium.width)
        inside = hidden * _mlp_slopes(way.read, body, medium.kernel)
    return jacobian(branch.incoming_scale * inside, stream, branch.incoming, medium.width)


def _affine(read: Array, matrix: Matrix) -> Array:
    return matrix.gain * read + matrix.bias


def _mlp(read: Array, mlp: Mlp, kernel: Kernel) -> tuple[Array, Array]:
    """Return the hidden gram, and the mean over hidden channels by position."""
    if mlp.gate is None:
        before = _affine(read, mlp.up)
        return kernel.product(before), kernel.mean(before[-2])
    hidden = kernel.product(_affine(read, mlp.gate)) * _affine(read, mlp.up)
    return hidden, np.zeros(hidden.shape[1])  # a gated product is odd in up: no mean


def _mlp_slopes(read: Array, mlp: Mlp, kernel: Kernel) -> Array:
    """Return what the hidden gradient's moments are multiplied by on their way to the MLP's input."""
    if mlp.gate is None:
        return mlp.up.gain * kernel.slopes(_affine(read, mlp.up))
    gate, up = _affine(read, mlp.gate), _affine(read, mlp.up)
    return mlp.up.gain * kernel.product(gate) + mlp.gate.gain * kernel.slopes(gate) * up


def _scaling(inner: Norm | None) -> Norm | None:
    """What a norm of hidden channels does once their mean, which is no small-sample effect there, is gone."""
    return inner and replace(inner, kind="rmsnorm")
