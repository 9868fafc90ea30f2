"""An initial checkpoint: an init drawn at some sizes, in a format's names, with what its trainer must know."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.adapter import ADAPTERS
from initlab.adapters.fold import added, folded
from initlab.adapters.slicing import from_slots
from initlab.checkpoints.resolution import CheckpointSpec, ResolvedCheckpoint, resolve_checkpoint
from initlab.data.batches import draw_batch
from initlab.errors import InitlabError
from initlab.files.json import canonical_json
from initlab.inits.draw import draw_all, slot_generator
from initlab.machine.environment import versions
from initlab.model.calibration import calibration
from initlab.network.blueprint import Blueprint, Tensors
from initlab.spec.run import TrainSpec

CALIBRATION_BATCH = TrainSpec().batch_size
DONE = {"weights", "joint draws", "calibration batch"}
"""Needs of an init that are met once its tensors exist."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Tensors by the format's names, the ``config`` of the model they are for, what its trainer must still honour
    (``needs``, in the words of a blueprint's), and ``notes`` for people. ``copies`` name tensors that repeat another.
    """

    tensors: Tensors
    needs: list[str]
    copies: frozenset[str] = frozenset()
    config: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """A network's contents, and what the file says of itself."""

    blueprint: Blueprint
    activation: str
    contents: Contents
    metadata: dict[str, str]

    @property
    def parameters(self) -> int:
        """Entries of the tensors; a tied one counts once, and is written twice where the format names it twice."""
        contents = self.contents
        return sum(x.numel() for name, x in contents.tensors.items() if name not in contents.copies)


def build_checkpoint(spec: CheckpointSpec) -> Checkpoint:
    """Draw the init and name its tensors as the format does.

    Raises InitlabError as ``resolve_checkpoint`` does.
    """
    resolved = resolve_checkpoint(spec)
    drawn = initial_tensors(resolved.blueprint, resolved.activation, spec)
    with ADAPTERS.blame(resolved.format, resolved.adapter):
        contents = _contents(resolved, drawn, getattr(torch, spec.dtype))
    return Checkpoint(resolved.blueprint, resolved.activation, contents, _metadata(resolved, spec, contents))


def initial_tensors(blueprint: Blueprint, activation: str, spec: CheckpointSpec) -> Tensors:
    """Return what the slots start with, by their names: drawn in float32, or in float64 where that is asked for."""
    dtype = torch.float64 if spec.dtype == "float64" else torch.float32
    forward = calibration(blueprint, ACTIVATIONS.get(activation).function, _tokens(blueprint, spec))
    return draw_all(blueprint, seed=spec.seed, dtype=dtype, forward=forward)


def _contents(resolved: ResolvedCheckpoint, drawn: Tensors, dtype: torch.dtype) -> Contents:
    """Return the tensors as the adapter names them: multipliers among them, or folded where it has none."""
    adapter, blueprint = resolved.adapter, resolved.blueprint
    slot_map = adapter.written(blueprint)
    if adapter.folds:
        slots, done = folded(blueprint, drawn, slot_map.network)
        honour = {"multipliers": bool(done), "optimizer groups": "optimizer groups" in blueprint.needs}
        needs = [need for need, is_open in honour.items() if is_open]
        notes = _notes(done, added(blueprint, slot_map.network))
    else:
        slots, needs, notes = drawn, [need for need in blueprint.needs if need not in DONE], []
    tensors = {name: tensor.to(dtype).contiguous() for name, tensor in from_slots(slot_map, slots).items()}
    _check_finite(tensors, blueprint.init)
    return Contents(
        tensors=tensors,
        copies=frozenset(slot_map.copies),
        needs=needs,
        config=adapter.config(blueprint, resolved.activation),
        notes=notes,
    )


def _check_finite(tensors: Tensors, init: str) -> None:
    """Raise InitlabError for numbers that the number format does not hold: no trainer starts from infinities."""
    for name, tensor in tensors.items():
        finite = int(tensor.isfinite().sum())
        if finite < tensor.numel():
            lost, kind = tensor.numel() - finite, str(tensor.dtype).removeprefix("torch.")
            raise InitlabError(
                f"init {init!r}: {lost:,} of the {tensor.numel():,} numbers of {name} are not finite in {kind}"
            )


def _tokens(blueprint: Blueprint, spec: CheckpointSpec) -> Tensor:
    """Return the (B, T) tokens an init may be calibrated on: a run's first batch, or uniformly random ones."""
    dims = blueprint.dims
    if spec.corpus is None:
        shape, generator = (CALIBRATION_BATCH, dims.block_size), slot_generator("calibration batch", spec.seed)
        return torch.randint(dims.vocab_size, shape, generator=generator)
    tokens, _ = draw_batch(
        spec.corpus.train,
        block_size=dims.block_size,
        batch_size=CALIBRATION_BATCH,
        seed=spec.seed,
        split="train",
        step=0,
    )
    return torch.from_numpy(tokens)


def _notes(done: list[str], kinds: list[str]) -> list[str]:
    notes = []
    if done:
        notes.append(
            f"folded into the tensors: {', '.join(done)}. The function at init is the init's; training is not, "
            "since a tensor moves by its learning rate whatever has been folded into it"
        )
    if kinds:
        notes.append(f"the format has {' and '.join(kinds)} that the network lacks: they start as the identity")
    return notes


def _metadata(resolved: ResolvedCheckpoint, spec: CheckpointSpec, contents: Contents) -> dict[str, str]:
    """What the file says of itself. ``format`` is safetensors' own key: Hugging Face loads only files with ``pt``."""
    blueprint = resolved.blueprint
    facts: dict[str, Any] = {
        "format": resolved.format,
        "version": versions()["initlab"] or "unknown",
        "init": blueprint.init,
        "seed": spec.seed,
        "activation": resolved.activation,
        "dims": asdict(blueprint.dims),
        "topology": blueprint.topology.to_json(),
        "needs": contents.needs,
        "config": contents.config,
        "laws": blueprint.to_json()["slots"],
    }
    return {"format": "pt", "initlab": canonical_json(facts)}
