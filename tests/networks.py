"""Small networks for tests: every slot is away from its trivial value, so that no term can hide behind a 1 or a 0."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from initlab.activations.functions import ACTIVATIONS
from initlab.inits.catalogue import resolve
from initlab.inits.draw import draw_all
from initlab.model.calibration import calibration
from initlab.model.gpt import GPT
from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import Network, gpt_slots, plain_network
from initlab.network.slots import SCALE_ROLES, Slot
from initlab.network.topology import Dims

Tensors = dict[str, Tensor]


def tiny(**changes: Any) -> Dims:
    """Return sizes that a test runs in milliseconds; all differ, so that no two axes can be confused."""
    sizes: dict[str, Any] = {
        "n_layer": 2,
        "n_head": 4,
        "n_embd": 32,
        "vocab_size": 23,
        "block_size": 12,
        "ffn_hidden": 80,
    }
    return Dims(**{**sizes, **changes})


def random_tensors(dims: Dims, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    """Return a value for every slot of a plain GPT."""
    return random_values(gpt_slots(dims), seed=seed, dtype=dtype)


def random_values(slots: Iterable[Slot], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    """Return matrices that keep their input's scale, gains and multipliers around 1, everything else around 0."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for slot in slots:
        noise = torch.randn(slot.shape, generator=generator, dtype=torch.float64)
        std = slot.fan_in**-0.5 if slot.is_linear else 0.3
        tensors[slot.name] = (noise * std + (slot.role in {"norm_gain", *SCALE_ROLES})).to(dtype)
    return tensors


def network(dims: Dims, tensors: Tensors, activation: str = "gelu") -> GPT:
    """Return the plain model holding these tensors."""
    return holding(plain_network(dims), tensors, activation)


def holding(network: Network, tensors: Tensors, activation: str = "gelu") -> GPT:
    """Return the model of any network, holding a tensor for each of its slots and no other."""
    model = GPT(network, ACTIVATIONS.get(activation).function).to(next(iter(tensors.values())).dtype)
    model.load_state_dict(tensors)
    return model


def blueprint_of(init: str, dims: Dims, **asked: Any) -> Blueprint:
    """Return an init at these sizes; ``asked`` is what a spec would ask of the topology."""
    return resolve(init).blueprint(dims, asked)


def started(
    blueprint: Blueprint,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    activation: str = "gelu",
    tokens: Tensor | None = None,
) -> Tensors:
    """Return what a network starts with; an init that starts from data sees ``tokens``, random ones by default."""
    batch = random_tokens(blueprint.dims) if tokens is None else tokens
    forward = calibration(blueprint, ACTIVATIONS.get(activation).function, batch)
    return draw_all(blueprint, seed=seed, dtype=dtype, forward=forward)


def at_init(blueprint: Blueprint, *, activation: str = "gelu", **how: Any) -> GPT:
    """Return the model as it starts, forward multipliers included in its tensors."""
    tensors = started(blueprint, activation=activation, **how)
    effective = {slot.name: tensors[slot.name] * law.mult for slot, law in blueprint.laws}
    return holding(blueprint.network, effective, activation)


def random_tokens(dims: Dims, batch: int = 3, *, seed: int = 1, extra: int = 0) -> Tensor:
    """Return (batch, block_size + extra) token ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(dims.vocab_size, (batch, dims.block_size + extra), generator=generator)
