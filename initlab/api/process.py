"""Settings of a process that runs one command and ends."""

import gc

from initlab.machine.environment import ALLOCATIONS_PER_COLLECTION


def collect_garbage_seldom() -> None:
    """Look for garbage less often than Python does: a command ends before most of it would matter."""
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
