"""SGD's rule against two steps by hand, torch's own SGD, and torch's fused kernel."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from initlab.optimizers.rules import resolve
from tests.optimizers.trajectories import LR, SHARED, distance, gradient, rounding, start, torchs, trajectory

SGD = resolve("sgd")

MOVED = LR * (3 + 0.1 * 5) / (1 - 0.8)
"""The buffer is a geometric sum of gradients of 3 and decays of a tenth of a parameter below 5."""

OPERATIONS = 5
"""Of one move: decay and sum, the buffer's product and sum, the rate."""


def test_two_steps_by_hand() -> None:
    theta, first, second = start(torch.float64), gradient(1, torch.float64), gradient(2, torch.float64)
    buffer = first + 0.1 * theta
    once = theta - LR * buffer
    twice = once - LR * (0.8 * buffer + second + 0.1 * once)
    assert distance(trajectory(SGD)[:2], [once, twice]) < rounding(torch.float64, MOVED, OPERATIONS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("momentum", [0.8, 0.0])
@pytest.mark.parametrize("fused", [False, True])
def test_six_steps_are_torchs(fused: bool, momentum: float, dtype: torch.dtype) -> None:
    theirs = torchs(torch.optim.SGD, dtype, momentum=momentum, weight_decay=0.1)
    ours = trajectory(SGD, dtype, replace(SHARED, beta1=momentum), fused=fused)
    assert distance(ours, theirs) < rounding(dtype, MOVED, OPERATIONS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_fused_kernel_computes_the_rule(dtype: torch.dtype) -> None:
    fused = trajectory(SGD, dtype, fused=True)
    assert distance(trajectory(SGD, dtype), fused) < rounding(dtype, MOVED, OPERATIONS)


@pytest.mark.parametrize("changed", [{"beta1": 0.9}, {"weight_decay": 0.2}])
@pytest.mark.parametrize("fused", [False, True])
def test_every_setting_matters(fused: bool, changed: dict[str, Any]) -> None:
    # Negative twins, in the arithmetic where the bound is widest.
    other = trajectory(SGD, torch.float32, replace(SHARED, **changed), fused=fused)
    assert distance(other, trajectory(SGD, torch.float32)) > 10 * rounding(torch.float32, MOVED, OPERATIONS)
