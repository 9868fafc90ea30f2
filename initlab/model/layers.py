"""The parts of the shared GPT, built from the slots that exist: a part whose slots are absent does nothing.

Axes: see ``initlab.model.gpt``. Parameters start as whatever memory held: the init's draw replaces them.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.network.slot_table import NORM_EPS, RELATIVE_BUCKETS, ROTARY_BASE, Network
from initlab.network.topology import Positions

Hook: TypeAlias = Callable[[str, Tensor], Tensor]
"""Called with a tap's name (``initlab.network.taps``) and its tensor; returns the tensor the network goes on with."""

RELATIVE_REACH = 128
"""Distance from which T5 counts all tokens as equally far (Raffel et al., arXiv 1910.10683)."""


def identity(tap: str, x: Tensor) -> Tensor:
    """Return the tensor as it is: the hook where nobody looks and nothing is dropped."""
    return x


class Linear(nn.Module):
    """(x + shift) (scale W)ᵀ + b with W of shape (fan_out, fan_in)."""

    def __init__(self, builder: "Builder", prefix: str) -> None:
        super().__init__()
        self.weight = builder.required(f"{prefix}.weight")
        self.bias = builder.parameter(f"{prefix}.bias")
        self.scale = builder.parameter(f"{prefix}.scale")
        self.shift = builder.parameter(f"{prefix}.shift")

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.shift is None else x + self.shift
        return F.linear(x, _scaled(self.weight, self.scale), self.bias)  # (..., fan_in) -> (..., fan_out)


class Embedding(nn.Module):
    """A table of shape (entries, C); ``matrix`` is what a tied head multiplies with."""

    def __init__(self, builder: "Builder", prefix: str) -> None:
        super().__init__()
        self.weight = builder.required(f"{prefix}.weight")
        self.scale = builder.parameter(f"{prefix}.scale")

    def matrix(self) -> Tensor:
        return _scaled(self.weight, self.scale)

    def forward(self, index: Tensor) -> Tensor:
        return F.embedding(index, self.matrix())  # (...) -> (..., C)


class Norm(nn.Module):
    """LayerNorm or RMSNorm over channels, with the gain and bias that exist."""

    def __init__(self, builder: "Builder", prefix: str) -> None:
        super().__init__()
        self.weight = builder.parameter(f"{prefix}.weight")
        self.bias = builder.parameter(f"{prefix}.bias")
        self._rms = builder.topology.norm == "rmsnorm"
        self._offset = 1.0 if builder.topology.norm_gain == "one-plus" else 0.0

    def forward(self, x: Tensor) -> Tensor:
        gain = self.weight if self.weight is None or not self._offset else self._offset + self.weight
        if self._rms:
            return F.rms_norm(x, x.shape[-1:], gain, NORM_EPS)
        return F.layer_norm(x, x.shape[-1:], gain, self.bias, NORM_EPS)


class Scale(nn.Module):
    """Multiplies by a scalar, or by a number a channel."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Shift(nn.Module):
    """Adds a scalar."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class FixedScale(nn.Module):
    """Divides by a number that no slot holds."""

    def __init__(self, divisor: float) -> None:
        super().__init__()
        self._divisor = divisor

    def forward(self, x: Tensor) -> Tensor:
        return x / self._divisor


class Residual(nn.Module):
    """How a branch f meets the stream: post_norm(skip · x + scale · branch_norm(f(norm_scale · norm(x))))."""

    def __init__(self, builder: "Builder", prefix: str) -> None:
        super().__init__()
        topology = builder.topology
        self.norm = builder.norm(f"{prefix}.norm", topology.norm_before and topology.reads_alone(prefix))
        self.norm_scale = builder.scale(f"{prefix}.norm_scale")
        self.branch_norm = builder.norm(f"{prefix}.branch_norm", topology.norm_branch)
        self.branch_scale = builder.scale(f"{prefix}.branch_scale")
        self.skip_scale = builder.scale(f"{prefix}.skip_scale")
        self.post_norm = builder.norm(f"{prefix}.post_norm", topology.norm_after)

    def pre(self, x: Tensor) -> Tensor:
        """Map the stream to what the branch reads, (B, T, C) to (B, T, C)."""
        output: Tensor = self.norm_scale(self.norm(x))
        return output

    def scale(self, branch: Tensor) -> Tensor:
        """Map what the branch puts out to what it adds to the stream."""
        output: Tensor = self.branch_scale(self.branch_norm(branch))
        return output

    def add(self, x: Tensor, branch: Tensor) -> Tensor:
        """Return the stream after the branch."""
        output: Tensor = self.post_norm(self.skip_scale(x) + branch)
        return output


class Builder:
    """Builds parts by name from what a network's slots say exists; an absent part is the identity."""

    def __init__(self, network: Network) -> None:
        self._shapes = network.shapes
        self.dims, self.topology = network.dims, network.topology

    def parameter(self, name: str) -> nn.Parameter | None:
        return self.required(name) if name in self._shapes else None

    def required(self, name: str) -> nn.Parameter:
        return nn.Parameter(torch.empty(self._shapes[name]))

    def norm(self, prefix: str, exists: bool) -> nn.Module:
        return Norm(self, prefix) if exists else nn.Identity()

    def scale(self, prefix: str) -> nn.Module:
        weight = self.parameter(f"{prefix}.weight")
        return nn.Identity() if weight is None else Scale(weight)

    def attn_scale(self, prefix: str) -> nn.Module:
        """The factor on attention logits; 1/√(head size) where no slot says otherwise."""
        weight = self.parameter(f"{prefix}.weight")
        return FixedScale(math.sqrt(self.dims.head_size)) if weight is None else Scale(weight)

    def shift(self, prefix: str) -> nn.Module:
        weight = self.parameter(f"{prefix}.weight")
        return nn.Identity() if weight is None else Shift(weight)


def _scaled(weight: Tensor, scale: Tensor | None) -> Tensor:
    return weight if scale is None else weight * scale


def causal_mask(tokens: int, like: Tensor) -> Tensor:
    """Return (T, T): 0 on and below the diagonal, -∞ above."""
    return torch.full((tokens, tokens), -math.inf, dtype=like.dtype, device=like.device).triu(1)  # (T, T)


FAIRSEQ_FIRST = 2
"""fairseq's position of the first token: after that of padding, which is 1."""


def sinusoids(tokens: int, like: Tensor, positions: Positions = "sinusoidal") -> Tensor:
    """Return (T, C) position codes: sines in the first half of the channels, cosines in the rest.

    Position t from 0 times the frequency 10000^(-2i/C), Vaswani et al. 2017, section 3.5, with its channels
    reordered. ``sinusoidal-fairseq`` has 10000^(-i/(C/2-1)), counts from 2, and leaves an odd last channel at zero
    (fairseq modules/sinusoidal_positional_embedding.py, as tensor2tensor has it).
    """
    width = like.shape[-1]
    if positions == "sinusoidal-fairseq":
        half = width // 2
        # One frequency alone is 10000^0; fairseq would divide by zero.
        angles = _angles(tokens, half, 2 * max(half - 1, 1), like, first=FAIRSEQ_FIRST)  # (T, C/2)
        return F.pad(torch.cat([angles.sin(), angles.cos()], -1), (0, width % 2))  # (T, C)
    angles = _angles(tokens, (width + 1) // 2, width, like)  # (T, C/2), half a channel rounded up
    return torch.cat([angles.sin(), angles.cos()], -1)[:, :width]  # (T, C)


class Rotary(nn.Module):
    """Rotates the first ``channels`` of every head by position and leaves the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._channels = channels

    def forward(self, x: Tensor) -> Tensor:
        if self._channels == x.shape[-1]:
            return rotate(x)
        return torch.cat([rotate(x[..., : self._channels]), x[..., self._channels :]], -1)  # (..., T, C/H)


def rotate(x: Tensor) -> Tensor:
    """Rotate (..., T, C/H) by position: channel i and i + C/2H are a plane, as in Hugging Face's Llama.

    Su et al., arXiv 2104.09864, equation 34, with the pairs of channels taken from the two halves.
    """
    half = x.shape[-1] // 2
    angles = _angles(x.shape[-2], half, 2 * half, x)  # (T, C/2H), one angle a plane
    cos, sin = angles.cos(), angles.sin()
    first, second = x[..., :half], x[..., half:]  # (..., T, C/2H) each
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)  # (..., T, C/H)


def _angles(tokens: int, count: int, width: int, like: Tensor, first: int = 0) -> Tensor:
    """Return (T, count): position t, counted from ``first``, times the frequency 10000^(-2i/width)."""
    exponents = torch.arange(count, dtype=like.dtype, device=like.device) * (2 / width)
    positions = torch.arange(first, first + tokens, dtype=like.dtype, device=like.device)
    return positions[:, None] * ROTARY_BASE**-exponents  # (T, 1) times (count,)


def alibi(tokens: int, heads: int, like: Tensor) -> Tensor:
    """Return (H, T, T): what ALiBi adds to the logits of query s for key t, a head's slope times t - s.

    Press et al., arXiv 2108.12409, section 3. BLOOM's code adds the slope times t alone, which softmax cannot tell.
    """
    positions = torch.arange(tokens, dtype=like.dtype, device=like.device)
    slopes = torch.tensor(alibi_slopes(heads), dtype=like.dtype, device=like.device)
    return slopes[:, None, None] * (positions - positions[:, None])  # (H, 1, 1) times (T, T)


def alibi_slopes(heads: int) -> list[float]:
    """Return each head's slope: a geometric row from 2^(-8/H) to 2^-8 for H a power of two.

    Otherwise that of the next smaller power of two, and then every other one of the next larger (the paper's code).
    """
    whole = 2 ** math.floor(math.log2(heads))
    row = [2 ** (-8 * (head + 1) / whole) for head in range(whole)]
    between = [2 ** (-8 * (head + 1) / (2 * whole)) for head in range(0, 2 * whole, 2)]
    return row + between[: heads - whole]


def relative_buckets(tokens: int, device: torch.device) -> Tensor:
    """Return (T, T) bucket numbers of the distance from query s back to key t, as T5's decoder counts them.

    The first half of the buckets are exact distances; the rest grow logarithmically up to RELATIVE_REACH.
    """
    positions = torch.arange(tokens, device=device)
    distance = (positions[:, None] - positions).clamp_min(0)  # (T, T): query s minus key t
    exact = RELATIVE_BUCKETS // 2
    # Of a distance of 0 the logarithm would be -∞; those below `exact` are not looked up here anyway.
    growth = (distance.clamp_min(1) / exact).log() / math.log(RELATIVE_REACH / exact)
    far = exact + (growth * (RELATIVE_BUCKETS - exact)).long()
    return torch.where(distance < exact, distance, far.clamp_max(RELATIVE_BUCKETS - 1))
