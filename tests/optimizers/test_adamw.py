"""AdamW's rule against its first step by hand, torch's own AdamW, and torch's fused kernel."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from initlab.optimizers.rules import resolve
from tests.optimizers.trajectories import LR, SHARED, distance, gradient, rounding, start, torchs, trajectory

ADAMW = resolve("adamw")

MOVED = LR * 3 / 0.1
"""No step is larger than the learning rate times the largest gradient over the smallest."""

OPERATIONS = 12
"""Of one move: two for either running mean and three for the square, two corrections, root, sum, two quotients."""


def test_the_first_step_is_the_gradients_sign_but_for_eps() -> None:
    # m̂ = g and v̂ = g² where both start at zero, so θ₁ = θ₀ - lr·0.1·θ₀ - lr·g/(|g| + 0.001).
    theta, g = start(torch.float64), gradient(1, torch.float64)
    expected = theta * (1 - LR * 0.1) - LR * g / (g.abs() + 1e-3)
    assert distance(trajectory(ADAMW)[:1], [expected]) < rounding(torch.float64, MOVED, OPERATIONS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("fused", [False, True])
def test_six_steps_are_torchs(fused: bool, dtype: torch.dtype) -> None:
    theirs = torchs(torch.optim.AdamW, dtype, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)
    assert distance(trajectory(ADAMW, dtype, fused=fused), theirs) < rounding(dtype, MOVED, OPERATIONS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_fused_kernel_computes_the_rule(dtype: torch.dtype) -> None:
    fused = trajectory(ADAMW, dtype, fused=True)
    assert distance(trajectory(ADAMW, dtype), fused) < rounding(dtype, MOVED, OPERATIONS)


@pytest.mark.parametrize("changed", [{"beta1": 0.9}, {"beta2": 0.9}, {"eps": 1e-2}, {"weight_decay": 0.2}])
@pytest.mark.parametrize("fused", [False, True])
def test_every_setting_matters(fused: bool, changed: dict[str, Any]) -> None:
    # Negative twins, in the arithmetic where the bound is widest.
    other = trajectory(ADAMW, torch.float32, replace(SHARED, **changed), fused=fused)
    apart = distance(other, trajectory(ADAMW, torch.float32))
    assert apart > 10 * rounding(torch.float32, MOVED, OPERATIONS)
