"""The gradient's second moments, from the loss back to the embedding."""

from initlab.theory.branches import Context, branch_backward
from initlab.theory.forward import ForwardTrace, source
from initlab.theory.norms import centred, jacobian
from initlab.theory.positions import Array
from initlab.theory.theory_model import TheoryModel


def gradients(model: TheoryModel, trace: ForwardTrace, last: Array, context: Context) -> list[Array]:
    """Return the gram of the gradient at all 2L + 1 sites, embedding first; ``last`` is that at the last site.

    Grams have shape (n + 2, n), in the unit of the squared gradient of the loss by which ``last`` is given. Fresh
    weights make what a branch sends back independent of what its skip does, so their second moments add.
    """
    by_site = {len(model.branches): last}
    pending: dict[int, Array] = {}  # what branches have sent to a site before it
    for index in reversed(range(len(model.branches))):
        branch, read_from = model.branches[index], source(model, index)
        summed = _before_outer_norm(by_site[index + 1], model, trace, index, context)
        stream = centred(trace.stream[read_from], trace.common[read_from], branch.incoming)
        sent = branch_backward(summed, stream, branch, context)
        pending[read_from] = pending[read_from] + sent if read_from in pending else sent
        by_site[index] = branch.skip * summed + pending.pop(index, 0.0)
    return [by_site[index] for index in range(len(model.branches) + 1)]


def _before_outer_norm(
    gradient: Array, model: TheoryModel, trace: ForwardTrace, index: int, context: Context
) -> Array:
    """Return the gradient's gram at skip·x + branch, before the norm that stands after the two, if one does."""
    branch, added = model.branches[index], trace.branches[index].added
    kept = branch.skip * centred(trace.stream[index], trace.common[index], branch.after)
    before = model.branches[index - 1].after if index else model.embed_norm
    rigid = 0.0
    if before:
        size = context.positions.mean(kept)
        last = index == len(model.branches) - 1  # a gradient that no norm has projected yet
        # Of skip·x + branch only the x that a norm has just set keeps its length from draw to draw.
        rigid = (size / (size + context.positions.mean(added))) ** 2 if last and not model.final_norm else 0.0
        if before.kind == "layernorm":
            kept = kept / (1 - 1 / context.width)  # has lost its mean already
    return jacobian(gradient, kept + added, branch.after, context.width, rigid=rigid)
