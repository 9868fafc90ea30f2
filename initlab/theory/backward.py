"""The gradient's second moments, from the loss back to the embedding."""

from initlab.theory.branches import Medium, backward
from initlab.theory.forward import Trace, source
from initlab.theory.norms import jacobian
from initlab.theory.positions import Array
from initlab.theory.setup import Setup


def gradients(setup: Setup, trace: Trace, last: Array, medium: Medium) -> list[Array]:
    """Return the gram of the gradient at all 2L + 1 sites, embedding first; ``last`` is that at the last site."""
    found = {len(setup.branches): last}
    waiting: dict[int, Array] = {}
    for index in reversed(range(len(setup.branches))):
        branch, at = setup.branches[index], source(setup, index)
        # x_{i+1} = after(skip·x_i + branch): the norm's input is what was summed.
        summed = branch.skip * trace.stream[index] + trace.branches[index].added
        behind = jacobian(found[index + 1], summed, branch.after, medium.width)
        sent = backward(behind, trace.stream[at], branch, medium)
        waiting[at] = waiting[at] + sent if at in waiting else sent
        found[index] = branch.skip * behind + waiting.pop(index, 0.0)
    return [found[index] for index in range(len(setup.branches) + 1)]
