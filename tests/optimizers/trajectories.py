"""Six steps of one parameter, by the rule, by a fused kernel, and by torch's own optimizers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from initlab.optimizers.rules import Optimizer, SlotSettings, State

STEPS = 6
LR = 1e-2
SHARED = SlotSettings(beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1)
SHAPE = (40, 30)  # enough entries for whole vector registers and some left over


def start(dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gradient(step: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Return entries of either sign and sizes from 0.1 to 3, the same sign at every step."""
    signs = start(torch.float64, seed=1000 + seed).sign()
    sizes = torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(100 * seed + step))
    return (signs * (0.1 + 2.9 * sizes)).to(dtype)


def zeros(optimizer: Optimizer, parameter: Tensor) -> State:
    return {name: torch.zeros_like(parameter) for name in optimizer.entry.buffers}


def trajectory(
    optimizer: Optimizer,
    dtype: torch.dtype = torch.float64,
    shared: SlotSettings = SHARED,
    *,
    fused: bool = False,
    lr: float = LR,
    seed: int = 0,
    scale: float = 1.0,
) -> list[Tensor]:
    """Return the parameter after every step; ``scale`` multiplies the gradients."""
    parameter = start(dtype, seed)
    state, settings, points = zeros(optimizer, parameter), optimizer.settings(shared), []
    update: Any = optimizer.update_lane if fused else optimizer.update
    for step in range(1, STEPS + 1):
        own = gradient(step, dtype, seed) * scale
        arguments: Any = ([parameter], [own], [state]) if fused else (parameter, own, state)
        update(*arguments, settings, lr, step)
        points.append(parameter.clone())
    return points


def stacked(optimizer: Optimizer, lanes: Sequence[SlotSettings], rates: Sequence[float]) -> list[Tensor]:
    """Return all lanes' parameter, (N, 40, 30), after every step; lane n has seed n."""

    def of_lanes(values: Sequence[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)

    names = vars(SHARED)
    settings = optimizer.settings(
        replace(SHARED, **{name: of_lanes([getattr(one, name) for one in lanes]) for name in names})
    )
    parameter = torch.stack([start(torch.float64, seed) for seed in range(len(lanes))])
    state, points = zeros(optimizer, parameter), []
    for step in range(1, STEPS + 1):
        own = torch.stack([gradient(step, torch.float64, seed) for seed in range(len(lanes))])
        optimizer.update(parameter, own, state, settings, of_lanes(rates), step)
        points.append(parameter.clone())
    return points


def torchs(optimizer: type[torch.optim.Optimizer], dtype: torch.dtype, **settings: Any) -> list[Tensor]:
    """Return what an optimizer of torch's makes of the same parameter and gradients, entry by entry."""
    parameter = torch.nn.Parameter(start(dtype))
    theirs: Any = optimizer
    stepper, points = theirs([parameter], lr=LR, foreach=False, fused=False, **settings), []
    for step in range(1, STEPS + 1):
        parameter.grad = gradient(step, dtype)
        stepper.step()
        points.append(parameter.detach().clone())
    return points


def distance(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True))


def rounding(dtype: torch.dtype, moved: float, operations: int) -> float:
    """Return how far two orders of the same arithmetic may be apart after six steps.

    Every step rounds the parameter, no larger than 5, three times, and its own move, at most ``moved`` in size, in
    each of ``operations``; what the buffers have rounded before adds up over the steps.
    """
    return STEPS * torch.finfo(dtype).eps * (3 * 5 + STEPS * operations * moved)
