"""Every optimizer that comes with initlab: importing this module registers them."""

from initlab.optimizers import adamw, sgd
from initlab.optimizers.rules import OPTIMIZERS

__all__ = ["OPTIMIZERS", "adamw", "sgd"]
