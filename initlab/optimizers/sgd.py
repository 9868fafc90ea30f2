"""Gradient descent with momentum."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlab.optimizers.rules import Scalar, State, optimizer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SGD:
    beta1: Scalar
    """The momentum: share of the buffer that a step keeps."""
    weight_decay: Scalar
    """Times the weight, added to its gradient: an L2 penalty, which the momentum averages too."""


def _fused(
    parameters: "list[Tensor]",
    gradients: "list[Tensor]",
    states: list[State],
    settings: SGD,
    lr: float,
    step: int,
) -> None:
    from torch.optim.sgd import sgd as functional

    functional(
        parameters, gradients, [state["momentum"] for state in states], fused=True, lr=lr,
        weight_decay=float(settings.weight_decay), momentum=float(settings.beta1),
        dampening=0.0, nesterov=False, maximize=False,
    )  # fmt: skip


@optimizer("sgd", settings=SGD, source="pytorch/pytorch torch/optim/sgd.py", buffers=("momentum",), fused=_fused)
def sgd(parameter: "Tensor", gradient: "Tensor", state: State, settings: SGD, lr: Scalar, step: int) -> None:
    """θ ← θ - lr·b with b ← beta1·b + g + weight_decay·θ.

    As in torch without dampening: the buffer is a sum of gradients, so the steps of a steady gradient grow to
    lr/(1 - beta1) times it.
    """
    momentum = state["momentum"]
    momentum.mul_(settings.beta1).add_(gradient + settings.weight_decay * parameter)
    parameter.sub_(lr * momentum)
