"""Trains one group of lanes together and yields records. It knows no disk and no console."""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from initlab.activations.functions import ACTIVATIONS
from initlab.data.batches import draw_batch
from initlab.data.corpus import Corpus
from initlab.engine.dropout import step_key
from initlab.engine.lane_model import Batch, LaneModel, Tensors
from initlab.engine.optimizer import optimizer_for
from initlab.engine.schedule import evaluates, learning_rate, probes
from initlab.engine.stacking import lane_tensors
from initlab.engine.updates import moving_matrices, update_ratios
from initlab.inits.catalogue import blueprint_for
from initlab.inits.draw import draw_all
from initlab.machine.execution import Execution
from initlab.model.calibration import calibration
from initlab.network.blueprint import Blueprint
from initlab.network.topology import Dims
from initlab.probes.reductions import Probe
from initlab.spec.run import RunSpec

TRAIN_LOSS_WINDOW = 20
"""A run's train_loss is the mean over its last batches, this many: one batch's loss is noise."""

DIVERGED_NATS = 1.0
"""A finite run has diverged when it ends this far above both its initial loss and a uniform guess."""


@dataclass(frozen=True)
class Record:
    """One row of one lane, for ``metrics.jsonl``, ``layers.jsonl`` or, once and last, ``summary.json``."""

    lane: int
    kind: Literal["metrics", "layers", "summary"]
    row: dict[str, Any]


@dataclass(eq=False)
class Lane:
    """One run among those trained together; ``number`` is its place among them all."""

    number: int
    spec: RunSpec
    corpus: Corpus
    moving: list[list[str]]
    """The slots that move, by block."""
    padding: bool = False
    """Fills up a network of a fixed number of lanes; nobody reads its results."""
    losses: list[float] = field(default_factory=list)
    val_loss: float | None = None
    residual_ms: list[float] = field(default_factory=list)
    diverged_at: int | None = None

    def is_over(self, step: int) -> bool:
        return self.padding or self.diverged_at is not None or step >= self.spec.train.steps


class Group:
    """Lanes of one shape and activation; everything else may differ between them, the number of steps too.

    ``execution`` says how they are computed and ``probes``, by name, what is measured on the way forward, with
    ``residual_ms`` among them; None means every probe that is registered. A lane that has ended, by its steps or by
    diverging, leaves the others.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        corpora: Sequence[Corpus],
        execution: Execution | None = None,
        *,
        probes: Mapping[str, Probe] | None = None,
    ) -> None:
        execution = execution or Execution()
        padding = max(0, execution.lanes - len(specs)) if execution.fills_lanes else 0
        specs, corpora = [*specs, *[specs[-1]] * padding], [*corpora, *[corpora[-1]] * padding]
        self._train = specs[0].train
        self._device = torch.device(execution.device)
        # torch.compile makes a graph for a number of lanes: lanes that are over then stay, and nobody reads them.
        self._keeps_all = execution.compiled and execution.lanes > 1
        blueprints = [
            blueprint_for(spec.model, spec.init, spec.activation, corpus.vocab_size)
            for spec, corpus in zip(specs, corpora, strict=True)
        ]
        self.dims = blueprints[0].dims
        activation = ACTIVATIONS.get(specs[0].activation).function
        self._model = LaneModel(blueprints[0].network, activation, specs[0].model.dropout, execution, probes)
        self._numbers = {name for name, one in self._model.probes.items() if one.quantity.layout == "end"}
        parameters, constants = lane_tensors(blueprints, self._draw(blueprints, specs, corpora))
        self._parameters = self._model.match_strides(self._on_device(parameters))
        self._constants = self._on_device(constants)
        self._optimizer = optimizer_for(
            self._parameters, [blueprint.laws for blueprint in blueprints], [spec.train for spec in specs]
        )
        self._lanes = [
            Lane(number, spec, corpus, _moving(blueprint), padding=number >= len(specs) - padding)
            for number, (spec, corpus, blueprint) in enumerate(zip(specs, corpora, blueprints, strict=True))
        ]
        self._active = list(self._lanes)
        self._matrices = [moving_matrices(blueprint) for blueprint in blueprints]
        self._before: Tensors = {}  # the matrices before the last update, where the next step is probed

    def run(self) -> Iterator[Record]:
        """Train to the end, or until no lane is left, yielding every lane's rows and then its summary."""
        for step in range(max(lane.spec.train.steps for lane in self._lanes) + 1):
            yield from self._step(step)
            remaining = [n for n, lane in enumerate(self._active) if not lane.is_over(step)]
            if not remaining:
                break
            if len(remaining) < len(self._active) and not self._keeps_all:
                self._select_lanes(remaining)
        for lane in self._lanes:
            if lane.padding:
                continue
            yield Record(lane.number, "summary", summarise(lane, self.dims))

    def _step(self, step: int) -> Iterator[Record]:
        """Evaluate, measure and update; probes see the parameters after ``step`` updates, on batch ``step``."""
        live = [lane for lane in self._active if not lane.is_over(step - 1)]
        evaluated = {lane.number for lane in live if evaluates(step, lane.spec.train)}
        probed = {lane.number for lane in live if probes(step, lane.spec.train)}
        val_losses = self._evaluate() if evaluated else []
        batch = self._batch(step)
        probe_rows: list[dict[str, Any]] = []  # one a lane
        if probed:
            gradients, losses, probe_values = self._model.probe(self._parameters, self._constants, batch)
            probe_values = {**probe_values, "weight_grad_rms": self._weight_gradients(gradients)}
            probe_rows = _by_lane(probe_values, self._numbers)
        else:
            gradients, losses = self._model.step(self._parameters, self._constants, batch)
        probes_next = any(probes(step + 1, lane.spec.train) for lane in live)
        before, self._before = self._before, self._copied_matrices() if probes_next else {}
        numbers = torch.stack([losses, self._optimizer.set_gradients(gradients)]).tolist()  # one copy off the device
        rates: list[float | None] = [None] * len(self._active)
        for n, (lane, loss, norm) in enumerate(zip(self._active, *numbers, strict=True)):
            if lane not in live:
                continue
            if lane.number in probed:
                if step == 0:
                    lane.residual_ms = probe_rows[n]["residual_ms"][::2]
                else:
                    own_before = {name: x[n] for name, x in before.items()}
                    own_after = {name: self._parameters[name][n] for name in before}
                    probe_rows[n] |= update_ratios(own_before, own_after, self._matrices[lane.number])
                yield Record(lane.number, "layers", {"step": step, "loss": loss, **probe_rows[n]})
            row = self._row(lane, step, loss, norm)
            rates[n] = row.get("lr")
            if lane.number in evaluated:
                row["val_loss"] = lane.val_loss = val_losses[n]
            yield Record(lane.number, "metrics", row)
        self._optimizer.step(rates)

    def _row(self, lane: Lane, step: int, loss: float, norm: float) -> dict[str, Any]:
        """Return the lane's metrics; the rate is missing where no update follows."""
        lane.losses.append(loss)
        row = {"step": step, "train_loss": loss, "grad_norm": norm}
        if not (math.isfinite(loss) and math.isfinite(norm)):
            lane.diverged_at = step
        elif step < lane.spec.train.steps:
            row["lr"] = learning_rate(step, lane.spec.train)
        return row

    def _select_lanes(self, lanes: list[int]) -> None:
        """Go on with these of the active lanes."""
        self._active = [self._active[n] for n in lanes]
        index = torch.tensor(lanes, dtype=torch.int64, device=self._device)
        self._parameters = self._model.match_strides({name: stack[index] for name, stack in self._parameters.items()})
        self._constants = {name: stack[index] for name, stack in self._constants.items()}
        self._before = {name: stack[index] for name, stack in self._before.items()}
        self._optimizer.select_lanes(lanes, self._parameters)

    def _on_device(self, tensors: Tensors) -> Tensors:
        return {name: x.to(self._device) for name, x in tensors.items()}

    def _batch(self, step: int) -> Batch:
        """Return every active lane's batch of a step."""
        batches = [self._lane_batch(lane.spec, lane.corpus, step) for lane in self._active]
        keys = torch.tensor([step_key(lane.spec.seed, step) for lane in self._active])
        return Batch(*self._stacked(batches), keys.to(self._device))

    def _stacked(self, batches: list[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
        """Put the lanes' tokens and targets, (B, T) each, on the device in one copy; return them as (N, B, T)."""
        both = np.stack([np.stack(arrays) for arrays in zip(*batches, strict=True)])  # (2, N, B, T)
        tokens, targets = torch.from_numpy(both).to(self._device)
        return tokens, targets

    def _lane_batch(self, spec: RunSpec, corpus: Corpus, step: int) -> tuple[Any, Any]:
        return draw_batch(
            corpus.train,
            block_size=self.dims.block_size,
            batch_size=self._train.batch_size,
            seed=spec.data_seed,
            split="train",
            step=step,
        )

    def _evaluate(self) -> list[float]:
        """Return each lane's mean loss over the same fixed validation batches, whatever its seed."""
        totals = torch.zeros(len(self._active), dtype=torch.float64, device=self._device)
        for number in range(self._train.eval_batches):
            batches = [
                draw_batch(
                    lane.corpus.val,
                    block_size=self.dims.block_size,
                    batch_size=self._train.batch_size,
                    seed=0,
                    split="val",
                    step=number,
                )
                for lane in self._active
            ]
            totals += self._model.evaluate(self._parameters, self._constants, *self._stacked(batches))
        return [total / self._train.eval_batches for total in totals.tolist()]

    def _copied_matrices(self) -> Tensors:
        """Return copies of the matrices whose updates are measured."""
        names = {name for lane in self._matrices for slots in lane.values() for name in slots if name}
        return {name: self._parameters[name].clone() for name in names}

    def _weight_gradients(self, gradients: Tensors) -> Tensor:
        """Return each lane's rms of the gradients of what moves in each block, 0 where nothing does, (N, L).

        Lane by lane: how torch orders a sum over a stack depends on how many lanes it has.
        """
        rows = [
            [_rms([gradients[name][n] for name in names], self._device) for names in lane.moving]
            for n, lane in enumerate(self._active)
        ]
        return torch.stack([torch.stack(row) for row in rows])

    def _draw(
        self, blueprints: Sequence[Blueprint], specs: Sequence[RunSpec], corpora: Sequence[Corpus]
    ) -> list[Tensors]:
        """Draw every lane; an init that starts from data sees the lane's first training batch."""
        dtype = torch.float64 if self._train.precision == "float64" else torch.float32
        drawn = []
        for blueprint, spec, corpus in zip(blueprints, specs, corpora, strict=True):
            tokens, _ = self._lane_batch(spec, corpus, step=0)
            forward = calibration(blueprint, ACTIVATIONS.get(spec.activation).function, torch.from_numpy(tokens))
            drawn.append(draw_all(blueprint, seed=spec.seed, dtype=dtype, forward=forward))
        return drawn


def summarise(lane: Lane, dims: Dims) -> dict[str, Any]:
    """Return what a run came to. A diverged run keeps its numbers and says since when."""
    initial, uniform = lane.losses[0], math.log(dims.vocab_size)
    last = lane.losses[: lane.spec.train.steps][-TRAIN_LOSS_WINDOW:] or lane.losses
    train_loss = sum(last) / len(last)
    reason = None
    if lane.diverged_at is not None:
        reason = f"the loss or its gradient was not finite at step {lane.diverged_at}"
    elif lane.spec.train.steps and train_loss > max(initial, uniform) + DIVERGED_NATS:
        lane.diverged_at = len(lane.losses) - 1
        reason = (
            f"ended at {train_loss:.2f} nats, more than {DIVERGED_NATS:g} above where it began "
            f"({initial:.2f}) and above a uniform guess ({uniform:.2f})"
        )
    return {
        "diverged": reason is not None,
        "diverged_at": lane.diverged_at,
        "reason": reason,
        "steps": min(len(lane.losses) - 1, lane.spec.train.steps) if lane.diverged_at is None else lane.diverged_at,
        "train_loss": train_loss,
        "val_loss": lane.val_loss,
        "initial_loss": initial,
        "uniform_loss": uniform,
        "entropy_rate": lane.corpus.entropy_rate,
        "entropy_floor": lane.corpus.floor(dims.block_size),
        "residual_ms": lane.residual_ms,
        "growth": lane.residual_ms[-1] / lane.residual_ms[0] if lane.residual_ms[0] else None,
    }


def _moving(blueprint: Blueprint) -> list[list[str]]:
    return [
        [slot.name for slot, law in blueprint.laws if slot.layer == layer and law.train]
        for layer in range(blueprint.dims.n_layer)
    ]


def _rms(tensors: list[Tensor], device: torch.device) -> Tensor:
    if not tensors:
        return torch.zeros((), device=device)
    return nn.utils.get_total_norm(tensors) / math.sqrt(sum(tensor.numel() for tensor in tensors))


def _by_lane(probe_values: Tensors, numbers: Collection[str]) -> list[dict[str, Any]]:
    """Return each lane's values by probe, off the device in one copy: lists over sites, ``numbers`` as a number.

    ``probe_values`` are (N, sites) each.
    """
    widths = [values.shape[1] for values in probe_values.values()]
    rows = torch.cat([values.double() for values in probe_values.values()], 1).tolist()  # (N, all probes' sites)
    ends = list(itertools.accumulate(widths))
    return [
        {
            name: row[end - width] if name in numbers else row[end - width : end]
            for name, width, end in zip(probe_values, widths, ends, strict=True)
        }
        for row in rows
    ]
