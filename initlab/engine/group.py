"""Trains one group of lanes together and yields records. It knows no disk and no console."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from initlab.activations import ACTIVATIONS
from initlab.blueprint import Blueprint
from initlab.data.batches import draw_batch
from initlab.data.corpus import Corpus
from initlab.engine.dropout import step_key
from initlab.engine.forward import Batch, LaneModel, Tensors
from initlab.engine.optim import LaneOptimizer
from initlab.engine.schedule import evaluates, learning_rate, probes
from initlab.engine.start import calibration, lane_tensors
from initlab.engine.updates import moving_matrices, update_ratios
from initlab.inits.catalogue import blueprint_for
from initlab.inits.draw import draw_all
from initlab.laws import Dims
from initlab.probes.reductions import PROBES
from initlab.spec import RunSpec

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


@dataclass
class Lane:
    """One run among those trained together."""

    spec: RunSpec
    corpus: Corpus
    optimizer: LaneOptimizer
    losses: list[float] = field(default_factory=list)
    val_loss: float | None = None
    residual_ms: list[float] = field(default_factory=list)
    diverged_at: int | None = None


class Group:
    """Lanes of one shape, activation and schedule of steps; everything else may differ between them."""

    def __init__(self, specs: Sequence[RunSpec], corpora: Sequence[Corpus]) -> None:
        self._train = specs[0].train
        blueprints = [
            blueprint_for(spec.model, spec.init, spec.activation, corpus.vocab_size)
            for spec, corpus in zip(specs, corpora, strict=True)
        ]
        self.dims = blueprints[0].dims
        self._model = LaneModel(
            blueprints[0].network, ACTIVATIONS.get(specs[0].activation).function, specs[0].model.dropout
        )
        self._parameters, self._constants = lane_tensors(blueprints, self._draw(blueprints, specs, corpora))
        self._lanes = [
            Lane(spec, corpus, LaneOptimizer({k: p[n] for k, p in self._parameters.items()}, laws, spec.train))
            for n, (spec, corpus, laws) in enumerate(
                zip(specs, corpora, (blueprint.laws for blueprint in blueprints), strict=True)
            )
        ]
        self._moving = [_moving(blueprint) for blueprint in blueprints]
        self._matrices = [moving_matrices(blueprint) for blueprint in blueprints]
        self._before: Tensors = {}  # the matrices before the last update, where the next step is probed

    def run(self) -> Iterator[Record]:
        """Train to the end, or until no lane is left, yielding every lane's rows and then its summary."""
        for step in range(self._train.steps + 1):
            yield from self._step(step)
            if all(lane.diverged_at is not None for lane in self._lanes):
                break
        for n, lane in enumerate(self._lanes):
            yield Record(n, "summary", summarise(lane, self.dims))

    def activations(self) -> Tensors:
        """Return what every place of the network holds now, on each lane's first training batch.

        By the place's name, as the model taps it: (N, sites, B, T, C).
        """
        return self._model.activations(self._parameters, self._constants, self._batch(0).tokens)

    def _step(self, step: int) -> Iterator[Record]:
        """Evaluate, measure and update; probes see the parameters after ``step`` updates, on batch ``step``."""
        val_losses = self._evaluate() if evaluates(step, self._train) else None
        batch = self._batch(step)
        seen: dict[str, list[Any]] | None = None
        if probes(step, self._train):
            gradients, losses, measured = self._model.probe(self._parameters, self._constants, batch)
            seen = {name: values.tolist() for name, values in measured.items()}
            seen["weight_grad_rms"] = self._weight_gradients(gradients)
        else:
            gradients, losses = self._model.step(self._parameters, self._constants, batch)
        before, self._before = self._before, self._matrices_now() if probes(step + 1, self._train) else {}
        for n, loss in enumerate(losses.tolist()):
            lane = self._lanes[n]
            if lane.diverged_at is not None:
                continue
            if seen is not None:
                profile = {name: values[n] for name, values in seen.items()}
                profile |= {name: profile[name][0] for name, probe in PROBES.items() if probe.place == "logits"}
                if step == 0:
                    lane.residual_ms = profile["residual_ms"][::2]
                else:
                    now = {name: self._parameters[name][n] for name in before}
                    profile |= update_ratios({name: x[n] for name, x in before.items()}, now, self._matrices[n])
                yield Record(n, "layers", {"step": step, "loss": loss, **profile})
            row = self._update(lane, step, loss, {name: g[n] for name, g in gradients.items()})
            if val_losses is not None:
                row["val_loss"] = lane.val_loss = val_losses[n]
            yield Record(n, "metrics", row)

    def _update(self, lane: Lane, step: int, loss: float, gradients: Tensors) -> dict[str, Any]:
        """Take one optimizer step, unless the run is over or this lane's numbers are no longer finite."""
        norm = lane.optimizer.take(gradients)
        lane.losses.append(loss)
        row = {"step": step, "train_loss": loss, "grad_norm": float(norm)}
        if not (math.isfinite(loss) and math.isfinite(row["grad_norm"])):
            lane.diverged_at = step
        elif step < self._train.steps:
            row["lr"] = learning_rate(step, lane.spec.train)
            lane.optimizer.step(row["lr"], norm)
        return row

    def _batch(self, step: int) -> Batch:
        drawn = [self._lane_batch(lane.spec, lane.corpus, step) for lane in self._lanes]
        keys = torch.tensor([step_key(lane.spec.seed, step) for lane in self._lanes])
        return Batch(_stack([x for x, _ in drawn]), _stack([y for _, y in drawn]), keys)

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
        totals = torch.zeros(len(self._lanes), dtype=torch.float64)
        for number in range(self._train.eval_batches):
            drawn = [
                draw_batch(
                    lane.corpus.val,
                    block_size=self.dims.block_size,
                    batch_size=self._train.batch_size,
                    seed=0,
                    split="val",
                    step=number,
                )
                for lane in self._lanes
            ]
            tokens, targets = _stack([x for x, _ in drawn]), _stack([y for _, y in drawn])
            totals += self._model.evaluate(self._parameters, self._constants, tokens, targets)
        return [float(total) / self._train.eval_batches for total in totals]

    def _matrices_now(self) -> Tensors:
        names = {name for lane in self._matrices for slots in lane.values() for name in slots if name}
        return {name: self._parameters[name].clone() for name in names}

    def _weight_gradients(self, gradients: Tensors) -> list[list[float]]:
        """Return each lane's rms of the gradients of what moves in each block, 0 where nothing does.

        Lane by lane: how torch orders a sum over a stack depends on how many lanes it has.
        """
        return [
            [_rms([gradients[name][n] for name in names]) for names in lane] for n, lane in enumerate(self._moving)
        ]

    def _draw(
        self, blueprints: Sequence[Blueprint], specs: Sequence[RunSpec], corpora: Sequence[Corpus]
    ) -> list[Tensors]:
        """Draw every lane; an init that starts from data sees the lane's first training batch."""
        dtype = {"float32": torch.float32, "float64": torch.float64}[self._train.precision]
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


def _rms(tensors: list[Tensor]) -> float:
    if not tensors:
        return 0.0
    return float(nn.utils.get_total_norm(tensors)) / math.sqrt(sum(tensor.numel() for tensor in tensors))


def _moving(blueprint: Blueprint) -> list[list[str]]:
    """Return the slots that move, block by block; a slot that stands still here may move in another lane."""
    return [
        [slot.name for slot, law in blueprint.laws if slot.layer == layer and law.train]
        for layer in range(blueprint.dims.n_layer)
    ]


def _stack(arrays: list[np.ndarray[Any, Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))
