"""The gradient's second moments, from the loss back to the embedding."""

from dataclasses import dataclass

import numpy as np

from initlab.theory.branches import Context, branch_backward
from initlab.theory.forward import ForwardTrace, source
from initlab.theory.norms import centred, jacobian
from initlab.theory.positions import Array
from initlab.theory.theory_model import Branch, Mlp, TheoryModel


@dataclass(frozen=True)
class BackwardTrace:
    """``gradients``, and ``alike``, by how much more they share at two positions of one target: (2L + 1) grams each,
    embedding first, of shape (n + 2, n)."""

    gradients: tuple[Array, ...]
    alike: tuple[Array, ...]


def backward_trace(
    model: TheoryModel, trace: ForwardTrace, last: Array, alike: Array, context: Context
) -> BackwardTrace:
    """Return the grams of the gradient; ``last`` and ``alike`` are those at the last site.

    They are in the unit of the squared gradient of the loss by which ``last`` is given. Fresh weights make what a
    branch sends back independent of what its skip does, so their second moments add.
    """
    by_site = {len(model.branches): last}
    excess = {len(model.branches): alike}
    pending: dict[int, Array] = {}  # what branches have sent to a site before it
    for index in reversed(range(len(model.branches))):
        branch, read_from = model.branches[index], source(model, index)
        summed = _before_outer_norm(by_site[index + 1], model, trace, index, context)
        stream = centred(trace.stream[read_from], trace.common[read_from], branch.incoming)
        sent = branch_backward(summed, stream, trace.alike[read_from], branch, context)
        pending[read_from] = pending[read_from] + sent if read_from in pending else sent
        by_site[index] = branch.skip * summed + pending.pop(index, 0.0)
        excess[index] = (
            excess[index + 1] * _passed(summed, by_site[index + 1]) * (branch.skip + _kept(branch, sent, summed))
        )
    sites = range(len(model.branches) + 1)
    return BackwardTrace(tuple(by_site[site] for site in sites), tuple(excess[site] for site in sites))


def _kept(branch: Branch, sent: Array, summed: Array) -> Array | float:
    """Return what an MLP, which acts on each pair alone, multiplies a pair by; attention mixes pairs until none of
    them stands for its own tokens."""
    return _passed(sent, summed) if isinstance(branch.body, Mlp) else 0.0


def _passed(after: Array, before: Array) -> Array:
    return np.divide(after, before, out=np.zeros_like(after), where=before != 0)


def _before_outer_norm(
    gradient: Array, model: TheoryModel, trace: ForwardTrace, index: int, context: Context
) -> Array:
    """Return the gradient's gram at skip·x + branch, before the norm that stands after the two, if one does."""
    branch, added = model.branches[index], trace.branches[index].added
    kept = branch.skip * centred(trace.stream[index], trace.common[index], branch.after)
    before = model.branches[index - 1].after if index else model.embed_norm
    rigid = 0.0
    size, whole = context.positions.mean(kept), context.positions.mean(kept) + context.positions.mean(added)
    if before:
        rigid = (size / whole) ** 2 if whole > 0 else 0.0  # of skip·x + branch, x keeps the length a norm has set
        if before.kind == "layernorm":
            kept = kept / (1 - 1 / context.width)  # has lost its mean already
    # The norm after the next sum has taken the part along that sum, which is what the stream here becomes. Only what
    # the branch between them has sent back holds a common part again.
    first = index == len(model.branches) - 1 and not model.final_norm
    sent = 1 - size / whole if whole > 0 else 1.0
    radial, common = (1.0, 1.0) if first else (0.0, sent)
    return jacobian(gradient, kept + added, branch.after, context.width, rigid=rigid, radial=radial, common=common)
