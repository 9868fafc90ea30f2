"""Clipping and updates of lanes, each with its own rates, settings and clip, by any registered optimizer.

On a CPU lane after lane, by torch's fused kernel where the optimizer has one: what a lane does depends on no
neighbour, not by a bit, since torch finishes the last entries of a tensor with other instructions than the rest and
where a lane's end lies in a stack depends on the others. On a GPU the launches of a hundred lanes' updates would cost
more than the network, so there the rule is applied to the stacks, with a lane axis on every coefficient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from initlab.network.laws import Law
from initlab.network.slots import Slot
from initlab.optimizers.rules import SPEC_FIELDS, OptimizerEntry, SlotSettings, State, resolve
from initlab.spec.run import TrainSpec

Tensors: TypeAlias = dict[str, Tensor]
Laws: TypeAlias = Sequence[tuple[Slot, Law]]

NORM_EPS = 1e-6
"""Added to the norm that a clip is divided by, as in torch.nn.utils.clip_grad_norm_."""


class GroupOptimizer(Protocol):
    """Moves the stacked parameters of N lanes, (N, ...) each, in place."""

    def set_gradients(self, gradients: Tensors) -> Tensor:
        """Take the gradients of the next step, which it may write into; return the lanes' global norms, (N,)."""
        ...

    def step(self, rates: Sequence[float | None]) -> None:
        """Clip and update every lane at its learning rate; None leaves a lane where it is."""
        ...

    def select_lanes(self, lanes: Sequence[int], parameters: Tensors) -> None:
        """Go on with some of the lanes, whose parameters are now these."""
        ...


def optimizer_for(parameters: Tensors, laws: Sequence[Laws], trains: Sequence[TrainSpec]) -> GroupOptimizer:
    """Return the optimizer of N lanes for the device that their parameters are on; all name one optimizer.

    Raises InitlabError where there is none of that name.
    """
    on_gpu = next(iter(parameters.values())).is_cuda
    return (StackedOptimizer if on_gpu else LaneByLane)(parameters, laws, trains)


def slot_settings(slot: Slot, law: Law, train: TrainSpec) -> SlotSettings:
    """Return what the spec says of a slot, times its law's factors, in nanoGPT's decay groups.

    nanoGPT's model.py, configure_optimizers: tensors of two dimensions decay, gains and biases do not.
    """
    decays = len(slot.shape) >= 2
    return SlotSettings(
        beta1=train.beta1,
        beta2=train.beta2,
        eps=train.eps * law.eps,
        weight_decay=train.weight_decay * law.wd if decays else 0.0,
    )


def zero_state(entry: OptimizerEntry, parameter: Tensor) -> State:
    """Return an optimizer's buffers for a parameter, in memory as it is: fused kernels read memory in order."""
    return {name: torch.zeros_like(parameter) for name in entry.buffers}


class LaneByLane:
    """An optimizer of its own for every lane, on views of the stacks."""

    def __init__(self, parameters: Tensors, laws: Sequence[Laws], trains: Sequence[TrainSpec]) -> None:
        self._lanes = [
            LaneOptimizer({name: stack[n] for name, stack in parameters.items()}, own, train)
            for n, (own, train) in enumerate(zip(laws, trains, strict=True))
        ]
        self._norms: list[Tensor] = []

    def set_gradients(self, gradients: Tensors) -> Tensor:
        self._norms = [
            lane.set_gradients({name: gradient[n] for name, gradient in gradients.items()})
            for n, lane in enumerate(self._lanes)
        ]
        return torch.stack(self._norms)

    def step(self, rates: Sequence[float | None]) -> None:
        for lane, rate, norm in zip(self._lanes, rates, self._norms, strict=True):
            if rate is not None:
                lane.step(rate, norm)

    def select_lanes(self, lanes: Sequence[int], parameters: Tensors) -> None:
        self._lanes = [self._lanes[n] for n in lanes]
        for n, lane in enumerate(self._lanes):
            lane.rebind({name: stack[n] for name, stack in parameters.items()})


@dataclass(eq=False)
class ParamGroup:
    """Slots of one lane that move alike, with what the optimizer keeps of each."""

    lr_factor: float
    settings: Any
    parameters: Tensors = field(default_factory=dict)
    states: list[State] = field(default_factory=list)


class LaneOptimizer:
    """One lane's parameters, in groups of equal learning rate, decay and eps; what is frozen is in none."""

    def __init__(self, parameters: Tensors, laws: Laws, train: TrainSpec) -> None:
        self._optimizer = resolve(train.optimizer)
        self._clip = train.clip
        groups: dict[tuple[float, SlotSettings], ParamGroup] = {}
        for slot, law in laws:
            if law.train:
                own, parameter = slot_settings(slot, law, train), parameters[slot.name]
                if (law.lr, own) not in groups:
                    groups[law.lr, own] = ParamGroup(law.lr, self._optimizer.settings(own))
                groups[law.lr, own].parameters[slot.name] = parameter
                groups[law.lr, own].states.append(zero_state(self._optimizer.entry, parameter))
        self._groups = list(groups.values())
        self._names = [slot.name for slot, law in laws if law.train]
        self._gradients: Tensors = {}
        self._step = 0

    def rebind(self, parameters: Tensors) -> None:
        """Go on with parameters of the same values in other memory."""
        for group in self._groups:
            group.parameters = {name: parameters[name] for name in group.parameters}

    def set_gradients(self, gradients: Tensors) -> Tensor:
        """Take the lane's gradients for the next step and return their global norm, a scalar."""
        self._gradients = {name: gradients[name] for name in self._names}
        return nn.utils.get_total_norm(self._gradients.values())

    def step(self, lr: float, norm: Tensor) -> None:
        """Clip to the largest norm as torch.nn.utils.clip_grad_norm_ does, and update in place."""
        self._step += 1
        if self._clip:
            share = (self._clip / (norm + NORM_EPS)).clamp(max=1.0)
            torch._foreach_mul_(list(self._gradients.values()), share)
        for group in self._groups:
            self._update(group, lr * group.lr_factor)

    def _update(self, group: ParamGroup, lr: float) -> None:
        parameters = list(group.parameters.values())
        gradients = [self._gradients[name] for name in group.parameters]
        self._optimizer.update_lane(parameters, gradients, group.states, group.settings, lr, self._step)


@dataclass(eq=False)
class StackedSlot:
    """One slot of N lanes, with what the rule is given of it: the lane axis in front."""

    rows: list[tuple[Slot, Law]]  # one a lane
    state: State  # (N, ...) each
    settings: Any
    lr_factor: Tensor  # (N, 1, ..., 1)
    trains: Tensor  # (N, 1, ..., 1), 1 where the lane's slot moves and 0 where it is frozen


class StackedOptimizer:
    """One update of all lanes: every coefficient of the rule has a lane axis."""

    def __init__(self, parameters: Tensors, laws: Sequence[Laws], trains: Sequence[TrainSpec]) -> None:
        self._optimizer = resolve(trains[0].optimizer)
        self._parameters = parameters
        self._trains = list(trains)
        like = next(iter(parameters.values()))
        self._kind: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
        rows = {row[0][0].name: list(row) for row in zip(*laws, strict=True)}
        self._slots = {
            name: self._stacked(rows[name], zero_state(self._optimizer.entry, stack), stack)
            for name, stack in parameters.items()
        }
        self._clip = self._of_lanes([train.clip or float("inf") for train in trains])
        self._gradients: Tensors = {}
        self._norms = torch.zeros_like(self._clip)
        self._step = 0

    def set_gradients(self, gradients: Tensors) -> Tensor:
        self._gradients = gradients
        squares = [  # of what moves: the gradient of a frozen slot is no part of its lane's norm
            gradients[name].flatten(1).square().sum(1) * slot.trains.view(-1) for name, slot in self._slots.items()
        ]
        self._norms = torch.stack(squares).sum(0).sqrt()  # (slots, N) -> (N,)
        return self._norms

    def step(self, rates: Sequence[float | None]) -> None:
        self._step += 1
        lr = self._of_lanes([rate or 0.0 for rate in rates])
        active = self._of_lanes([rate is not None for rate in rates])
        share = (self._clip / (self._norms + NORM_EPS)).clamp(max=1.0)
        for name, slot in self._slots.items():
            parameter, axes = self._parameters[name], _axes(self._parameters[name])
            # A rule need not stand still at a rate of 0, nor where a gradient is not finite: what stays is put back.
            stays = None in rates or not all(law.train for _, law in slot.rows)
            before = parameter.clone() if stays else None
            gradient, own_lr = self._gradients[name] * share.view(axes), lr.view(axes) * slot.lr_factor
            self._optimizer.update(parameter, gradient, slot.state, slot.settings, own_lr, self._step)
            if before is not None:
                parameter.copy_(torch.where((active.view(axes) * slot.trains).bool(), parameter, before))

    def select_lanes(self, lanes: Sequence[int], parameters: Tensors) -> None:
        index = torch.tensor(lanes, device=self._norms.device)
        self._parameters, self._clip = parameters, self._clip[index]
        self._trains = [self._trains[n] for n in lanes]
        self._slots = {
            name: self._stacked(
                [slot.rows[n] for n in lanes],
                {buffer: x[index] for buffer, x in slot.state.items()},
                parameters[name],
            )
            for name, slot in self._slots.items()
        }

    def _stacked(self, rows: list[tuple[Slot, Law]], state: State, stack: Tensor) -> StackedSlot:
        """Put one slot's coefficients on the device, a number a lane, as the rule is given them."""
        own = [slot_settings(slot, law, train) for (slot, law), train in zip(rows, self._trains, strict=True)]
        axes = _axes(stack)
        stacked = {name: self._of_lanes([getattr(lane, name) for lane in own]).view(axes) for name in SPEC_FIELDS}
        return StackedSlot(
            rows=rows,
            state=state,
            settings=self._optimizer.settings(SlotSettings(**stacked)),
            lr_factor=self._of_lanes([law.lr for _, law in rows]).view(axes),
            trains=self._of_lanes([law.train for _, law in rows]).view(axes),
        )

    def _of_lanes(self, values: Sequence[float]) -> Tensor:
        """Return a number a lane, (N,)."""
        return torch.tensor(values, **self._kind)


def _axes(stack: Tensor) -> tuple[int, ...]:
    """Return the shape in which one number a lane broadcasts with a stack."""
    return (-1, *[1] * (stack.dim() - 1))
