"""AdamW (or SGD) and clipping for one lane: torch's own, on views of the stacked tensors.

What a lane does never depends on its neighbours, because no number here is computed across lanes.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from initlab.laws import Law, Slot
from initlab.spec import TrainSpec


class LaneOptimizer:
    """One lane's parameters with nanoGPT's decay groups, split further by the laws' lr, wd and eps factors."""

    def __init__(self, parameters: dict[str, Tensor], laws: Sequence[tuple[Slot, Law]], train: TrainSpec) -> None:
        self._clip = train.clip
        self._parameters: dict[str, nn.Parameter] = {}
        groups: dict[tuple[float, float, float], list[nn.Parameter]] = defaultdict(list)
        for slot, law in laws:
            if not law.train:
                continue
            parameter = nn.Parameter(parameters[slot.name])
            self._parameters[slot.name] = parameter
            decays = train.weight_decay * law.wd if len(slot.shape) >= 2 else 0.0
            groups[law.lr, decays, train.eps * law.eps].append(parameter)
        self._optimizer = _optimizer(
            [
                {"params": members, "lr_factor": lr, "weight_decay": decay, "eps": eps}
                for (lr, decay, eps), members in groups.items()
            ],
            train,
        )

    def take(self, gradients: dict[str, Tensor]) -> Tensor:
        """Take the lane's gradients for the next step and return their global norm, a scalar."""
        for name, parameter in self._parameters.items():
            parameter.grad = gradients[name]
        return nn.utils.get_total_norm([gradients[name] for name in self._parameters])

    def step(self, lr: float, norm: Tensor) -> None:
        """Clip to the largest norm as torch.nn.utils.clip_grad_norm_ does, and update in place."""
        if self._clip:
            nn.utils.clip_grads_with_norm_(self._parameters.values(), self._clip, norm)
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group["lr_factor"]
        self._optimizer.step()


def _optimizer(groups: list[dict[str, Any]], train: TrainSpec) -> torch.optim.Optimizer:
    if train.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=train.lr, momentum=train.beta1, fused=True)
    return torch.optim.AdamW(groups, lr=train.lr, betas=(train.beta1, train.beta2), fused=True)
