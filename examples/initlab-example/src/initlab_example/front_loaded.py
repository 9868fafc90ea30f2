"""An init in one file: early layers write most of the residual stream."""

from initlab.inits.compose import normal, scaled, writes_residual
from initlab.inits.strategy import Strategy, init
from initlab.network.slots import Slot


@init("front-loaded", source="an example; nobody claims that it is good")
def front_loaded(std: float = 0.02, power: float = 1.0) -> Strategy:
    """GPT-2's init with the residual projections of layer l (from 1) divided by ``l^power``.

    At power 1 the variances added are a sum of 1/l²: it stays bounded however deep the network is.
    """

    def factor(slot: Slot) -> float:
        assert slot.layer is not None  # both residual projections are in a layer
        return float((slot.layer + 1) ** -power)

    return Strategy(scaled(normal(std), writes_residual, factor))
