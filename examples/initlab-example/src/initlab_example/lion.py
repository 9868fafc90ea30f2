"""An optimizer in one file: its settings, and one update rule for a lane alone and for many of them stacked."""

from dataclasses import dataclass

from torch import Tensor

from initlab.optimizers.rules import Scalar, State, optimizer


@dataclass(frozen=True, kw_only=True)
class Lion:
    beta1: Scalar  # share of the momentum in the direction of a step
    beta2: Scalar  # share of the momentum that a step keeps
    weight_decay: Scalar


@optimizer(
    "lion",
    settings=Lion,
    source="Chen et al., arXiv 2302.06675, algorithm 2",
    buffers=("momentum",),
    adam_like=True,
)
def lion(parameter: Tensor, gradient: Tensor, state: State, settings: Lion, lr: Scalar, step: int) -> None:
    """θ ← θ - lr·(sign(beta1·m + (1 - beta1)·g) + weight_decay·θ), and then m ← beta2·m + (1 - beta2)·g."""
    momentum = state["momentum"]
    direction = momentum.lerp(gradient, 1 - settings.beta1).sign_()
    parameter.mul_(1 - lr * settings.weight_decay).sub_(lr * direction)
    momentum.lerp_(gradient, 1 - settings.beta2)
