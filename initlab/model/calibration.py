"""The forward pass on a calibration batch, for inits that start from data."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call

from initlab.model.gpt import skeleton
from initlab.network.blueprint import Blueprint, Forward, TapFunction, Tensors


def calibration(blueprint: Blueprint, activation: Callable[[Tensor], Tensor], tokens: Tensor) -> Forward:
    """Return the forward pass over (B, T) tokens for the init's hook: called with tensors and a tap, no gradients.

    A tensor that nothing multiplies is used as it is, so the tap may write into it while the pass goes on.
    """

    def forward(tensors: Tensors, tap: TapFunction) -> None:
        effective = {
            slot.name: tensors[slot.name] if law.mult == 1 else tensors[slot.name] * law.mult
            for slot, law in blueprint.laws
        }
        with torch.no_grad():
            functional_call(skeleton(blueprint.network, activation), effective, (tokens,), {"tap": tap})

    return forward
