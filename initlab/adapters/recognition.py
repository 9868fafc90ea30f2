"""Somebody's model, recognised: which family it is of, and where its slots lie."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from initlab.adapters.adapter import ADAPTERS, ModelState, SlotMap
from initlab.errors import InitlabError


def model_state(tensors: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> ModelState:
    """Return what adapters look at. ``tensors`` maps names to tensors, or to their shapes alone."""
    shapes = {name: tuple(getattr(tensor, "shape", tensor)) for name, tensor in tensors.items()}
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    shared = {}
    for name, tensor in tensors.items():
        address = _address(tensor)
        if address and (original := first.setdefault((address, shapes[name]), name)) != name:
            shared[name] = original
    return ModelState(shapes=shapes, config=config or {}, shared=shared)


def read_model(
    tensors: Mapping[str, Any], config: Mapping[str, Any] | None = None, *, family: str | None = None
) -> SlotMap:
    """Return where a model's slots lie in its tensors (or their shapes, where that is all there is), and its family.

    ``config`` is what a Hugging Face config or nanoGPT's model_args say, as a dict. Raises InitlabError where no
    family recognises the model, or the one that is given cannot read it.
    """
    state = model_state(tensors, config)
    name = ADAPTERS.canonical(family) if family else _recognised(state)
    adapter = ADAPTERS.get(name)
    with ADAPTERS.blame(name, adapter):
        return replace(adapter.read(state), family=name)


def _recognised(state: ModelState) -> str:
    names, families = [], ADAPTERS.items()
    for name, adapter in families:
        with ADAPTERS.blame(name, adapter):
            names += [name] * adapter.recognises(state)
    if len(names) == 1:
        return names[0]
    if names:
        raise InitlabError(f"the model could be {' or '.join(names)}: name its family")
    known = ", ".join(name for name, _ in families)
    example = next(iter(state.shapes), None)
    begins = f", the first being {example}" if example else ""
    raise InitlabError(
        f"no family recognises a model with these {len(state.shapes)} tensors{begins}; families are {known}"
    )


def _address(tensor: Any) -> int:
    """Return where a tensor's memory begins, 0 where it has none: a shape, a meta tensor, an empty one."""
    pointer = getattr(tensor, "data_ptr", None)
    if pointer is None or getattr(tensor, "is_meta", False):
        return 0
    return int(pointer())
