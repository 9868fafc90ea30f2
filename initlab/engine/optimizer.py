"""AdamW (or SGD) and clipping of lanes, each with its own rates, decay, eps, betas and clip.

On a CPU every lane has torch's fused optimizer on views of the stacked tensors: what a lane does depends on no
neighbour, not by a bit. On a GPU the launches of a hundred such optimizers would cost more than the network, so there
one update goes over the stacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from initlab.network.laws import Law
from initlab.network.slots import Slot
from initlab.spec.run import TrainSpec

Tensors: TypeAlias = dict[str, Tensor]
Laws: TypeAlias = Sequence[tuple[Slot, Law]]


class Optimizer(Protocol):
    """Moves stacked parameters in place."""

    def norms(self, gradients: Tensors) -> Tensor:
        """Take the gradients of the next step and return the lanes' global norms, (N,)."""
        ...

    def step(self, rates: Sequence[float | None]) -> None:
        """Clip and update every lane at its rate; None leaves a lane where it is, and what it becomes is not read."""
        ...

    def keep(self, lanes: Sequence[int], parameters: Tensors) -> None:
        """Go on with some of the lanes, whose parameters now lie here."""
        ...


def optimizer_for(parameters: Tensors, laws: Sequence[Laws], trains: Sequence[TrainSpec]) -> Optimizer:
    """Return the optimizer of the device that the parameters are on."""
    on_gpu = next(iter(parameters.values())).is_cuda
    return (StackedOptimizer if on_gpu else LaneByLane)(parameters, laws, trains)


class LaneByLane:
    """A fused optimizer of torch's for every lane."""

    def __init__(self, parameters: Tensors, laws: Sequence[Laws], trains: Sequence[TrainSpec]) -> None:
        self._lanes = [
            LaneOptimizer({name: stack[n] for name, stack in parameters.items()}, own, train)
            for n, (own, train) in enumerate(zip(laws, trains, strict=True))
        ]
        self._norms: list[Tensor] = []

    def norms(self, gradients: Tensors) -> Tensor:
        self._norms = [
            lane.take({name: gradient[n] for name, gradient in gradients.items()})
            for n, lane in enumerate(self._lanes)
        ]
        return torch.stack(self._norms)

    def step(self, rates: Sequence[float | None]) -> None:
        for lane, rate, norm in zip(self._lanes, rates, self._norms, strict=True):
            if rate is not None:
                lane.step(rate, norm)

    def keep(self, lanes: Sequence[int], parameters: Tensors) -> None:
        self._lanes = [self._lanes[n] for n in lanes]
        for n, lane in enumerate(self._lanes):
            lane.move({name: stack[n] for name, stack in parameters.items()})


@dataclass(eq=False)
class Members:
    """Slots of one lane that move alike, with what torch's optimizers keep for each."""

    lr: float
    decay: float
    eps: float
    parameters: dict[str, Tensor] = field(default_factory=dict)
    first: list[Tensor | None] = field(default_factory=list)
    second: list[Tensor] = field(default_factory=list)
    steps: list[Tensor] = field(default_factory=list)


class LaneOptimizer:
    """One lane's parameters with nanoGPT's decay groups, split further by the laws' lr, wd and eps factors.

    By torch's functional optimizers: ``torch.optim.AdamW`` would have every worker import the compiler, for 0.7 s.
    """

    def __init__(self, parameters: dict[str, Tensor], laws: Sequence[tuple[Slot, Law]], train: TrainSpec) -> None:
        self._train = train
        groups: dict[tuple[float, float, float], Members] = {}
        for slot, law in laws:
            if law.train:
                decay = train.weight_decay * law.wd if len(slot.shape) >= 2 else 0.0
                key = law.lr, decay, train.eps * law.eps
                members, parameter = groups.setdefault(key, Members(*key)), parameters[slot.name]
                members.parameters[slot.name] = parameter
                members.first.append(None if train.optimizer == "sgd" else torch.zeros_like(parameter))
                members.second.append(torch.zeros_like(parameter))
                members.steps.append(torch.zeros(()))
        self._groups = list(groups.values())
        self._names = [slot.name for slot, law in laws if law.train]
        self._gradients: Tensors = {}

    def move(self, parameters: dict[str, Tensor]) -> None:
        """Go on in other memory."""
        for group in self._groups:
            group.parameters = {name: parameters[name] for name in group.parameters}

    def take(self, gradients: dict[str, Tensor]) -> Tensor:
        """Take the lane's gradients for the next step and return their global norm, a scalar."""
        self._gradients = {name: gradients[name] for name in self._names}
        return nn.utils.get_total_norm(self._gradients.values())

    def step(self, lr: float, norm: Tensor) -> None:
        """Clip to the largest norm as torch.nn.utils.clip_grad_norm_ does, and update in place."""
        if self._train.clip:
            share = (self._train.clip / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(list(self._gradients.values()), share)
        for group in self._groups:
            self._move(group, lr * group.lr)

    def _move(self, group: Members, lr: float) -> None:
        parameters = list(group.parameters.values())
        gradients = [self._gradients[name] for name in group.parameters]
        if self._train.optimizer == "sgd":
            sgd(parameters, gradients, group.first, fused=True, lr=lr, weight_decay=group.decay,
                momentum=self._train.beta1, dampening=0.0, nesterov=False, maximize=False)  # fmt: skip
        else:
            adamw(parameters, gradients, cast(list[Tensor], group.first), group.second, [], group.steps, fused=True,
                  lr=lr, weight_decay=group.decay, eps=group.eps, beta1=self._train.beta1, beta2=self._train.beta2,
                  amsgrad=False, maximize=False)  # fmt: skip


class StackedOptimizer:
    """One update of all lanes: every coefficient has a lane axis, and a slot that a lane freezes has a rate of 0."""

    def __init__(self, parameters: Tensors, laws: Sequence[Laws], trains: Sequence[TrainSpec]) -> None:
        self._parameters = parameters
        self._sgd = trains[0].optimizer == "sgd"
        like = next(iter(parameters.values()))

        def lanes(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=like.dtype, device=like.device)

        self._rate: Tensors = {}
        self._decay: Tensors = {}
        self._eps: Tensors = {}
        for row in zip(*laws, strict=True):
            slot = row[0][0]
            if slot.name in parameters:
                own = [law for _, law in row]
                matrix = len(slot.shape) >= 2
                self._rate[slot.name] = lanes([law.lr * law.train for law in own])
                self._decay[slot.name] = lanes(
                    [t.weight_decay * law.wd * law.train * matrix for t, law in zip(trains, own, strict=True)]
                )
                self._eps[slot.name] = lanes([t.eps * law.eps for t, law in zip(trains, own, strict=True)])
        self._beta1, self._beta2 = lanes([t.beta1 for t in trains]), lanes([t.beta2 for t in trains])
        self._clip = lanes([t.clip or float("inf") for t in trains])
        self._first = {name: torch.zeros_like(stack) for name, stack in parameters.items()}
        self._second = {} if self._sgd else {name: torch.zeros_like(stack) for name, stack in parameters.items()}
        self._steps = 0
        self._gradients: Tensors = {}
        self._norm = torch.zeros_like(self._clip)

    def norms(self, gradients: Tensors) -> Tensor:
        self._gradients = gradients
        squares = [g.flatten(1).square().sum(1) * (self._rate[name] != 0) for name, g in gradients.items()]
        self._norm = torch.stack(squares).sum(0).sqrt()
        return self._norm

    def step(self, rates: Sequence[float | None]) -> None:
        self._steps += 1
        rate = torch.tensor([r or 0.0 for r in rates], dtype=self._norm.dtype).to(self._norm.device)
        shrink = (self._clip / (self._norm + 1e-6)).clamp(max=1.0)
        for name, parameter in self._parameters.items():
            axes = (-1, *[1] * (parameter.dim() - 1))
            gradient = self._gradients[name] * shrink.view(axes)
            own, decay = (rate * self._rate[name]).view(axes), self._decay[name].view(axes)
            if self._sgd:
                self._momentum(name, parameter, gradient + decay * parameter, own, axes)
            else:
                parameter.mul_(1 - own * decay)
                self._adam(name, parameter, gradient, own, axes)

    def keep(self, lanes: Sequence[int], parameters: Tensors) -> None:
        index = torch.tensor(lanes, device=self._norm.device)
        for stacks in (self._rate, self._decay, self._eps, self._first, self._second):
            stacks.update({name: stack[index] for name, stack in stacks.items()})
        self._beta1, self._beta2, self._clip = (x[index] for x in (self._beta1, self._beta2, self._clip))
        self._parameters = parameters

    def _adam(self, name: str, parameter: Tensor, gradient: Tensor, rate: Tensor, axes: tuple[int, ...]) -> None:
        """Kingma & Ba, arXiv 1412.6980, algorithm 1, with the bias corrections in rate and denominator."""
        beta1, beta2 = self._beta1.view(axes), self._beta2.view(axes)
        first, second = self._first[name], self._second[name]
        first.add_((gradient - first) * (1 - beta1))
        second.mul_(beta2).add_(gradient.square() * (1 - beta2))
        corrected = (second / (1 - beta2**self._steps)).sqrt() + self._eps[name].view(axes)
        parameter.sub_(rate / (1 - beta1**self._steps) * first / corrected)

    def _momentum(self, name: str, parameter: Tensor, gradient: Tensor, rate: Tensor, axes: tuple[int, ...]) -> None:
        """As torch.optim.SGD: the buffer starts as the first gradient."""
        first = self._first[name]
        first.mul_(self._beta1.view(axes)).add_(gradient)
        parameter.sub_(rate * first)
