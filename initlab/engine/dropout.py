"""Dropout whose masks are a pure function of (key, place in the network, entry).

torch's own dropout reads one global stream, so a lane's masks would depend on its neighbours. Here every entry's
number is hashed with the lane's key: the same masks alone and among others, and none to store.
"""

import hashlib

import torch
from torch import Tensor

MASK = (1 << 62) - 1  # keeps values non-negative, so that >> is a logical shift


def step_key(seed: int, step: int) -> int:
    """Return the key of one step's masks."""
    digest = hashlib.sha256(f"dropout/{seed}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") & MASK


class CounterDropout:
    """The ``drop`` hook of one forward pass of one lane: zeroes with probability p and rescales by 1/(1-p)."""

    def __init__(self, p: float, key: Tensor) -> None:
        self._p = p
        self._key = key
        self._calls = 0

    def __call__(self, place: str, x: Tensor) -> Tensor:
        self._calls += 1
        entries = torch.arange(x.numel(), device=x.device, dtype=torch.int64).view(x.shape)
        bits = _mix(_mix(entries + (self._calls << 40)) ^ self._key)
        uniform = (bits >> 9).to(torch.float64) * 2.0**-53
        return torch.where(uniform >= self._p, x / (1 - self._p), torch.zeros_like(x))


def _mix(x: Tensor) -> Tensor:
    """The finaliser of splitmix64 (Steele et al. 2014) on 62 bits; int64 products wrap."""
    x = ((x ^ (x >> 30)) * -0x40A7B892E31B1A47) & MASK
    x = ((x ^ (x >> 27)) * -0x6B2FB644ECCEEE15) & MASK
    return x ^ (x >> 31)
