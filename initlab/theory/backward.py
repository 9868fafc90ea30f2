"""The gradient's second moments, from the loss back to the embedding."""

from initlab.theory.branches import Medium, backward
from initlab.theory.forward import Trace, source
from initlab.theory.theory_model import Setup
from initlab.theory.norms import centred, jacobian
from initlab.theory.positions import Array


def gradients(setup: Setup, trace: Trace, last: Array, medium: Medium) -> list[Array]:
    """Return the gram of the gradient at all 2L + 1 sites, embedding first; ``last`` is that at the last site."""
    found = {len(setup.branches): last}
    waiting: dict[int, Array] = {}
    for index in reversed(range(len(setup.branches))):
        branch, at = setup.branches[index], source(setup, index)
        behind = _behind(found[index + 1], setup, trace, index, medium)
        sent = backward(behind, centred(trace.stream[at], trace.common[at], branch.incoming), branch, medium)
        waiting[at] = waiting[at] + sent if at in waiting else sent
        found[index] = branch.skip * behind + waiting.pop(index, 0.0)
    return [found[index] for index in range(len(setup.branches) + 1)]


def _behind(gradient: Array, setup: Setup, trace: Trace, index: int, medium: Medium) -> Array:
    """Return the gradient's gram at skip·x + branch, before the norm that stands after the two, if one does."""
    branch, added = setup.branches[index], trace.branches[index].added
    kept = branch.skip * centred(trace.stream[index], trace.common[index], branch.after)
    before = setup.branches[index - 1].after if index else setup.embed_norm
    rigid = 0.0
    if before:
        size = medium.positions.mean(kept)
        last = index == len(setup.branches) - 1  # a gradient that no norm has projected yet
        rigid = (size / (size + medium.positions.mean(added))) ** 2 if last and not setup.final_norm else 0.0
        if before.kind == "layernorm":
            kept = kept / (1 - 1 / medium.width)  # has lost its mean already
    return jacobian(gradient, kept + added, branch.after, medium.width, rigid=rigid)
