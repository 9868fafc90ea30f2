"""Adam with decoupled weight decay."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlab.optimizers.rules import Scalar, State, optimizer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class AdamW:
    beta1: Scalar
    """Share of the gradients' running mean that a step keeps."""
    beta2: Scalar
    """Share of the squared gradients' running mean that a step keeps."""
    eps: Scalar
    """Added to the root of the second moment: gradients far below it move nothing."""
    weight_decay: Scalar
    """Share of the weight that a step takes away, in units of the learning rate."""


def _fused(
    parameters: "list[Tensor]",
    gradients: "list[Tensor]",
    states: list[State],
    settings: AdamW,
    lr: float,
    step: int,
) -> None:
    """torch's functional form: ``torch.optim.AdamW`` would have every worker import the compiler, for 0.7 s."""
    import torch
    from torch.optim.adamw import adamw as functional

    first, second = ([state[name] for state in states] for name in ("first", "second"))
    steps = list(torch.full((len(parameters),), step - 1.0).unbind())  # a tensor each, which torch counts up by one
    functional(
        parameters, gradients, first, second, [], steps, fused=True, lr=lr, weight_decay=float(settings.weight_decay),
        eps=float(settings.eps), beta1=settings.beta1, beta2=settings.beta2, amsgrad=False, maximize=False,
    )  # fmt: skip


@optimizer(
    "adamw",
    settings=AdamW,
    source="Loshchilov & Hutter, arXiv 1711.05101, algorithm 2; Kingma & Ba, arXiv 1412.6980, algorithm 1",
    buffers=("first", "second"),
    adam_like=True,
    fused=_fused,
)
def adamw(parameter: "Tensor", gradient: "Tensor", state: State, settings: AdamW, lr: Scalar, step: int) -> None:
    """θ ← (1 - lr·weight_decay)·θ - lr·m̂/(√v̂ + eps).

    m and v are the running means of g and g², m̂ = m/(1 - beta1ᵗ) and v̂ = v/(1 - beta2ᵗ) without their start at zero.
    The decay is times the learning rate of the step, as in torch, where the paper has the schedule alone.
    """
    first, second = state["first"], state["second"]
    parameter.mul_(1 - lr * settings.weight_decay)
    first.lerp_(gradient, 1 - settings.beta1)
    second.mul_(settings.beta2).add_(gradient.square() * (1 - settings.beta2))
    denominator = (second / (1 - settings.beta2**step)).sqrt_().add_(settings.eps)
    parameter.sub_(lr / (1 - settings.beta1**step) * first / denominator)
