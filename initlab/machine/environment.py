"""What a result was made with: versions, machine, commit. Imports nothing heavy."""

import os
import platform
import subprocess
import sys
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
    *(() if sys.platform == "linux" else ("psutil",)),
)
PACKAGES = ("initlab", *DEPENDENCIES)

ONE_THREAD = {
    # torch (OpenMP), MKL and numpy's OpenBLAS each have a pool of their own. There is a worker a core: more threads
    # would wait for each other, and sums that are split among threads round by their number.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # MKL takes another kernel for memory that is aligned otherwise, so a lane's last bits would depend on where it
    # lies among the others. STRICT takes one for all; AUTO still the fastest instructions of this CPU.
    "MKL_CBWR": "AUTO,STRICT",
}
"""One thread, and matrix products that do not depend on where in memory a lane happens to lie."""

KEEP_FREED_MEMORY = {
    # glibc's malloc, in bytes. By default it maps large blocks afresh, from a size between 128 KiB and 32 MiB that it
    # adapts, and unmaps what is freed, so that every step faults the same pages in again. Below 1 GiB all memory
    # comes from the heap ...
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    # ... of which nothing goes back to the system while less than 4 GiB of it are free at its end ...
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    # ... and which grows by 64 MiB at a time.
    "MALLOC_TOP_PAD_": str(2**26),
    # Asks the kernel for transparent huge pages, of 2 MiB: five hundred times fewer faults than with 4 KiB.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""For workers, which do the same step over and over: a tenth of a small network's. Unknown to other systems."""


ALLOCATIONS_PER_COLLECTION = 100_000
"""Objects allocated, less those freed, between two searches for cyclic garbage: for gc.set_threshold. At Python's own
700 a fifth of importing torch, and a tenth of a report, is looking for garbage that is not there."""


def versions() -> dict[str, str | None]:
    """Return the installed version of Python and of every dependency, None where one is absent."""
    installed: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = None
    return installed


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


def hardware() -> dict[str, Any]:
    """Return what a run's ``env.json`` says of the machine: platform, processor, and the cores that may be used."""
    return {
        "platform": platform.platform(),
        "processor": cpu_name(),
        "cores": available_cores(),
    }


def available_cores() -> int:
    """Return how many CPU cores, as the system counts them, this process may run on.

    A scheduler, a container's cpuset or taskset may have given it fewer than the machine has; a container's quota of
    CPU time is not seen.
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def cpu_name() -> str:
    """Return the processor's name as its maker writes it, or what the system calls its kind."""
    info = Path("/proc/cpuinfo")  # Linux only
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def worker_environment() -> dict[str, str]:
    """Return the environment variables of a process that trains.

    Those of this process, with one thread whatever the user exports, since results depend on it, and with glibc
    keeping what is freed unless the user says otherwise, which is a matter of speed alone. To be set before a process
    starts: the libraries read them once, when they are loaded.
    """
    return {**KEEP_FREED_MEMORY, **os.environ, **ONE_THREAD}
