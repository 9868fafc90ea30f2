"""Every built-in init, registered by being imported here; ``resolve`` and ``INITS`` are then complete."""

from functools import lru_cache

from initlab.activations.functions import ACTIVATIONS
from initlab.inits import calibrate, classic, depth, family, gpt2, joint, labs, mup, note
from initlab.inits.as_source import sourced
from initlab.inits.strategy import INITS, Init, InitEntry, resolve
from initlab.network.blueprint import Blueprint
from initlab.spec.run import ModelSpec

FAMILIES = (gpt2, note, classic, labs, depth, joint, calibrate, mup, family)

"""In the order in which they are shown."""

__all__ = ["FAMILIES", "INITS", "Init", "blueprint_for", "in_order", "resolve"]


def in_order() -> list[tuple[str, InitEntry]]:
    """Return every init by name, family by family, plug-ins last."""
    order = {family.__name__: number for number, family in enumerate(FAMILIES)}
    return sorted(INITS.items(), key=lambda item: order.get(item[1].build.__module__, len(order)))


@lru_cache(maxsize=512)
def blueprint_for(model: ModelSpec, init: str, activation: str, vocab_size: int) -> Blueprint:
    """Return the network that a spec, an init and an activation make together, with its laws.

    ``vocab_size`` is the corpus's, for a spec that leaves it open. Raises InitlabError where they cannot go together,
    such as an activation that is not the source's where the model is as_source.
    """
    model, activation = sourced(model, init, activation)
    resolved, gated = resolve(init), ACTIVATIONS.get(activation).gated
    dims = model.dims(vocab_size, gated=gated, tied=resolved.strategy.tied)
    return resolved.blueprint(dims, model.topology)
