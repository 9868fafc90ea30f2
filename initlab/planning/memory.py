"""What a run needs of memory, and what there is."""

import os
from pathlib import Path

from initlab.machine.profile import MachineProfile
from initlab.network.topology import Dims
from initlab.spec.run import RunSpec

CPU_SHARE = 0.7
GPU_SHARE = 0.85
"""Of what is free: the estimate is rough, and others are there too."""

WORKER_BYTES = 400 * 2**20
"""A process with torch imported, before it holds a network."""


def lane_bytes(spec: RunSpec, dims: Dims, *, fused: bool) -> int:
    """Return an estimate of the bytes one lane needs while it trains.

    Parameters, gradients and AdamW's two moments; of activations what the backward pass reads: a dozen tensors of the
    stream's size and three of the hidden layer's in each block, attention's weights three times over, and the logits
    with their softmax and gradient.
    """
    size = 8 if spec.train.precision == "float64" else 4
    matrices = dims.n_layer * (4 * dims.n_embd**2 + 2 * dims.n_embd * dims.ffn_hidden)
    parameters = matrices + (dims.vocab_size * (1 if dims.tied else 2) + dims.block_size) * dims.n_embd
    tokens = spec.train.batch_size * dims.block_size
    weights = 0 if fused else 3 * dims.n_head * dims.block_size
    block = 12 * dims.n_embd + 3 * dims.ffn_hidden + weights
    return size * (4 * parameters + tokens * (dims.n_layer * block + 3 * dims.vocab_size))


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
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    return min(free, max(0, limit - (used or 0))) if limit is not None else free


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
