"""How far one update moves the matrices of a lane's blocks."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from initlab.network.blueprint import Blueprint
from initlab.network.slots import HIDDEN_ROLES
from initlab.probes.quantities import update_ratio

Matrices = dict[str, list[str | None]]


def moving_matrices(blueprint: Blueprint) -> Matrices:
    """Return the slots of each role that moves, block by block; None for a block where it stands still."""
    matrices: Matrices = {}
    for slot, law in blueprint.laws:
        if slot.role in HIDDEN_ROLES and slot.layer is not None and law.train:
            matrices.setdefault(slot.role, [None] * blueprint.dims.n_layer)[slot.layer] = slot.name
    return matrices


def update_ratios(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], matrices: Mapping[str, Sequence[str | None]]
) -> dict[str, list[float]]:
    """Return ``update_ratio_<role>`` by block: rms of the change over rms before, 0 for what stands still.

    A matrix of zeros has no size to compare with: its ratio is infinite.
    """
    return {
        update_ratio(role): [0.0 if name is None else _ratio(before[name], after[name]) for name in names]
        for role, names in matrices.items()
    }


def _ratio(before: Tensor, after: Tensor) -> float:
    return float((after - before).norm() / before.norm())
