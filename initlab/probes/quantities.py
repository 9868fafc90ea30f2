"""What a row of ``layers.jsonl`` may hold: each quantity's sites, unit and scale, declared once.

What probes measure on the way forward is registered (``initlab.probes.reductions``); what needs gradients or an
update the engine measures, and stands in the tables here.
"""

from dataclasses import dataclass
from typing import get_args

from initlab.network.slots import ATTENTION_ROLES, HIDDEN_ROLES, Role
from initlab.network.taps import Layout, layout_sites


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One measured number a site. ``layout`` says which sites of the stream have one.

    A ``positive`` quantity is a moment or a ratio, which is averaged, compared and drawn on the log scale. ``unit``
    is empty where the number has none.
    """

    summary: str
    layout: Layout
    unit: str = ""
    positive: bool = False

    def sites(self, n_layer: int) -> range:
        """Return the sites of the residual stream, 0..2L, at which the values of one step stand, in their order."""
        return layout_sites(self.layout, n_layer)


def update_ratio(role: str) -> str:
    """Return the name under which the update-to-weight ratio of a role's matrices is stored."""
    return f"update_ratio_{role}"


BACKWARD_PROBES: dict[str, Quantity] = {
    "grad_rms": Quantity(
        summary="rms of the loss's gradient with respect to the residual stream, at its 2L+1 sites",
        layout="stream",
        positive=True,
    ),
    "weight_grad_rms": Quantity(
        summary="rms of the loss's gradient with respect to the parameters, per block",
        layout="block",
        positive=True,
    ),
}
"""Measured by the engine, which alone sees gradients."""

UPDATE_PROBES: dict[str, Quantity] = {
    update_ratio(role): Quantity(
        summary=f"rms of the last update of {role} over the rms of {role} before it",
        layout="attention" if role in ATTENTION_ROLES else "block",
        positive=True,
    )
    for role in get_args(Role)
    if role in HIDDEN_ROLES
}
"""Measured by the engine at every probed step but the first, per block, for the roles that move."""
