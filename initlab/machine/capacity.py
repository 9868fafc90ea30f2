"""How much memory this computer has, before anything is asked of it that none has."""

import os
from pathlib import Path

FALLBACK_BYTES = 8 * 2**30
"""Where the system does not say."""


def computer_bytes() -> int:
    """Return all the memory of this computer, or of the container that we are in."""
    own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else FALLBACK_BYTES
    limit = container_number("memory.max")
    return own if limit is None else min(own, limit)


def container_number(name: str) -> int | None:
    """Return a number that the container's kernel keeps (cgroup v2), None where there is none."""
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text())
    except (OSError, ValueError):
        return None
