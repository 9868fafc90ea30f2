"""Every built-in init, registered by being imported here; ``resolve`` and ``INITS`` are then complete."""

from initlab.inits import gpt, note
from initlab.inits.strategy import INITS, Init, resolve

FAMILIES = (gpt, note)

__all__ = ["FAMILIES", "INITS", "Init", "resolve"]
