"""What a result was made with: versions, machine, commit. Imports nothing heavy."""

import os
import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

DEPENDENCIES = (
    "torch",
    "numpy",
    "pandas",
    "matplotlib",
    "scipy",
    "pydantic",
    "typer",
    "rich",
    "jinja2",
    "safetensors",
)
PACKAGES = ("initlab", *DEPENDENCIES)

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_CBWR": "AUTO,STRICT",
}
"""One thread, and matrix products that do not depend on where in memory a lane happens to lie."""

KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""glibc gives back what a step freed, and the next one faults every page in again: a tenth of a small network's step.
Unknown to other systems."""


ALLOCATIONS_PER_COLLECTION = 100_000
"""For gc.set_threshold. At Python's own 700 a fifth of importing torch, and a tenth of a report, is looking for
garbage that is not there."""


def versions() -> dict[str, str | None]:
    """Return the installed version of Python and of every dependency, None where one is absent."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


@lru_cache(maxsize=1)
def git_sha() -> str | None:
    """Return the commit initlab's own checkout is at, with ``+changes`` where it is edited; None outside git."""
    root = Path(__file__).parents[2]
    try:
        sha = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        changes = subprocess.run(
            ["git", "status", "--porcelain", "initlab"], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return sha.stdout.strip() + ("+changes" if changes.stdout.strip() else "")


def machine() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "processor": cpu_name(),
        "cores": available_cores(),
    }


def available_cores() -> int:
    """Return the cores this process may use, which a container or taskset may have limited."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")  # Linux only
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def worker_environment() -> dict[str, str]:
    """Return the environment of a process that trains; how memory is kept is the user's where they say so."""
    return {**KEEP_FREED_MEMORY, **os.environ, **ONE_THREAD}
