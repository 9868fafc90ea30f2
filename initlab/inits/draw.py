"""The one function that draws from a law.

Every slot has its own generator, seeded by (seed, slot name): two inits that differ in scale share directions,
so comparisons are paired, and changing one slot never reshuffles another. Nothing reads a global seed.
"""

import hashlib

import torch
from torch import Tensor

from initlab.inits.strategy import Init
from initlab.laws import Constant, Dims, Dist, Normal, Slot


def slot_generator(slot: Slot, seed: int) -> torch.Generator:
    """Return the slot's generator; its seed is a hash, so neighbouring seeds share nothing."""
    digest = hashlib.sha256(f"{seed}/{slot.name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


def draw(slot: Slot, dist: Dist, *, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor of the slot's shape drawn from ``dist``, on the CPU.

    Drawn in float32 whatever ``dtype`` is, so that one seed gives one network at every precision.
    """
    if isinstance(dist, Constant):
        return torch.full(slot.shape, dist.mean, dtype=dtype)
    generator = slot_generator(slot, seed)
    if isinstance(dist, Normal):
        return torch.randn(slot.shape, generator=generator).to(dtype) * dist.std
    low, high = dist.support
    return torch.rand(slot.shape, generator=generator).to(dtype) * (high - low) + low


def draw_all(init: Init, dims: Dims, *, seed: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Return the initial tensors of a network by slot name; a tied tensor is drawn once."""
    return {slot.name: draw(slot, law.dist, seed=seed, dtype=dtype) for slot, law in init.table(dims)}
