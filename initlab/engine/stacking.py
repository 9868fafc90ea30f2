"""How lanes start: their tensors stacked, and the forward pass an init that starts from data may look at."""

from collections.abc import Sequence

import torch

from initlab.network.blueprint import Blueprint, Tensors


def lane_tensors(blueprints: Sequence[Blueprint], drawn: Sequence[Tensors]) -> tuple[Tensors, Tensors]:
    """Stack the lanes' tensors: (parameters, constants), each with a leading lane axis.

    Constants are the forward multipliers of the slots where any lane's is not 1, under the slot's name, and, their
    multipliers included, the slots that move in no lane.
    """
    parameters, constants = {}, {}
    for row in zip(*(blueprint.laws for blueprint in blueprints), strict=True):
        name, laws = row[0][0].name, [law for _, law in row]
        values = torch.stack([tensors[name] for tensors in drawn])  # (N, *slot.shape)
        factors = torch.tensor([law.mult for law in laws], dtype=values.dtype)  # (N,)
        if any(law.train for law in laws):
            parameters[name] = values
            if any(law.mult != 1 for law in laws):
                constants[name] = factors
        else:
            constants[name] = values * factors.view(-1, *[1] * (values.dim() - 1))
    return parameters, constants
