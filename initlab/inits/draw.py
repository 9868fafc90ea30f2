"""The one function that draws from a law.

Every slot has its own generator, seeded by (seed, slot name): two inits that differ in scale share directions,
so comparisons are paired, and changing one slot never reshuffles another. Nothing reads a global seed.
"""

import hashlib
import math

import torch
from torch import Tensor

from initlab.errors import InitlabError
from initlab.network.blueprint import Blueprint, Forward, HookContext, TapFunction, Tensors
from initlab.network.laws import Constant, Dist, Normal, Orthogonal, TruncNormal
from initlab.network.slots import Slot


def slot_generator(name: str, seed: int) -> torch.Generator:
    """Return the generator of the slot of that name; its seed is a hash, so neighbouring seeds share nothing."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


def draw(slot: Slot, dist: Dist, *, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor of the slot's shape drawn from ``dist``, on the CPU.

    Drawn in float32 whatever ``dtype`` is, so that one seed gives one network at every precision.
    """
    if isinstance(dist, Constant):
        return torch.full(slot.shape, dist.mean, dtype=dtype)
    generator = slot_generator(slot.name, seed)
    if isinstance(dist, Normal):
        return torch.randn(slot.shape, generator=generator).to(dtype) * dist.std
    if isinstance(dist, TruncNormal):
        return _truncated(slot.shape, dist.cut, generator).to(dtype) * dist.sigma
    if isinstance(dist, Orthogonal):
        return orthogonal(slot.shape, generator).to(dtype) * (dist.std * math.sqrt(max(slot.shape)))
    low, high = dist.support
    return torch.rand(slot.shape, generator=generator).to(dtype) * (high - low) + low


def draw_all(
    blueprint: Blueprint,
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
    forward: Forward | None = None,
) -> Tensors:
    """Return the initial tensors of a network by slot name; a tied tensor is drawn once.

    ``forward`` runs the network on a calibration batch. Raises InitlabError where an init needs it and it is absent.
    """
    tensors = {slot.name: draw(slot, law.dist, seed=seed, dtype=dtype) for slot, law in blueprint.laws}
    if blueprint.prepare is None:
        return tensors
    context = HookContext(blueprint, lambda name: slot_generator(name, seed), forward or _no_batch)
    return blueprint.prepare(tensors, context)


def orthogonal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a matrix with orthonormal rows or columns, whichever are fewer, uniform over all such matrices.

    The Q factor of a Gaussian matrix with the signs of R's diagonal (Mezzadri 2007, section 5), found in float64 so
    that the last bits of a LAPACK do not matter.
    """
    rows, columns = shape
    gaussian = torch.randn(max(shape), min(shape), generator=generator).double()
    q, r = torch.linalg.qr(gaussian)
    signed: Tensor = (q * r.diagonal().sign()).float()
    return signed if rows >= columns else signed.T.contiguous()


def _truncated(shape: tuple[int, ...], cut: float, generator: torch.Generator) -> Tensor:
    """Return a unit normal cut at ±cut, by inverting its distribution function in float64."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
    inside = math.erf(cut / math.sqrt(2))
    return (torch.erfinv(uniform * inside) * math.sqrt(2)).clamp(-cut, cut).float()


def _no_batch(tensors: Tensors, tap: TapFunction) -> None:
    raise InitlabError("this init starts from data: it needs a calibration batch")
