"""The memory a sweep may plan with."""

import os
from pathlib import Path

from initlab.machine.capacity import container_number
from initlab.machine.profile import MachineProfile

CPU_SHARE = 0.7
GPU_SHARE = 0.85
"""Of what is free: the estimate of what a lane needs is rough, and others are there too."""


def free_bytes(device: str, machine: MachineProfile) -> int:
    """Return the bytes that a sweep may plan with on one GPU, or on this computer."""
    if device.startswith("cuda"):
        return int(GPU_SHARE * min(gpu["bytes"] for gpu in machine.gpus))
    return int(CPU_SHARE * _free_on_the_computer())


def _free_on_the_computer() -> int:
    """What Linux says is available, and no more than a container may use; elsewhere all there is."""
    info = Path("/proc/meminfo")
    if info.exists():
        rows = dict(line.split(":", 1) for line in info.read_text().splitlines())
        free = int(rows["MemAvailable"].split()[0]) * 1024
    else:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 * 2**30
    limit, used = (container_number(name) for name in ("memory.max", "memory.current"))
    return min(free, max(0, limit - (used or 0))) if limit is not None else free
