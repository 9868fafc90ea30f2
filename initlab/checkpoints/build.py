"""An initial checkpoint: an init drawn at some sizes, in a format's names, with what its trainer must know."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.fold import added, folded
from initlab.adapters.formats import Format
from initlab.checkpoints.request import Plan, Request, planned
from initlab.data.batches import draw_batch
from initlab.files.json import canonical_json
from initlab.inits.draw import draw_all, slot_generator
from initlab.machine.environment import versions
from initlab.model.calibration import calibration
from initlab.network.blueprint import Blueprint, Tensors
from initlab.spec.run import TrainSpec

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
CALIBRATION_BATCH = TrainSpec().batch_size
DONE = {"weights", "joint draws", "calibration batch"}
"""Needs of an init that are met once its tensors exist."""


@dataclass(frozen=True)
class Contents:
    """Tensors by the format's names, the ``config`` of the model they are for, what its trainer must still honour
    (``needs``, in the words of a blueprint's), and ``notes`` for people."""

    tensors: Tensors
    needs: list[str]
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
        tied = self.blueprint.dims.tied
        sizes = {name: tensor.numel() for name, tensor in self.contents.tensors.items()}
        return sum(size for name, size in sizes.items() if not (tied and name == "lm_head.weight"))


def make_checkpoint(request: Request) -> Checkpoint:
    """Draw the init and name its tensors as the format does.

    Raises InitlabError as ``planned`` does.
    """
    plan = planned(request)
    drawn = _draw(plan.blueprint, plan.activation, request)
    if plan.form is None:
        contents = Contents(_cast(drawn, request), [need for need in plan.blueprint.needs if need not in DONE])
    else:
        contents = _translated(plan.form, plan.blueprint, plan.activation, drawn, request)
    return Checkpoint(plan.blueprint, plan.activation, contents, _metadata(plan, request, contents))


def renamed(plain: Tensors, form: Format) -> Tensors:
    """Return a plain network's tensors under the format's names, those of one module stacked along their outputs."""
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for name, tensor in plain.items():
        turned = form.conv1d and name.startswith("blocks.") and tensor.ndim == 2
        parts[form.names.key(name)].append(tensor.T if turned else tensor)
    outputs = -1 if form.conv1d else 0
    return {key: torch.cat(found, outputs) if len(found) > 1 else found[0] for key, found in parts.items()}


def _translated(form: Format, blueprint: Blueprint, activation: str, drawn: Tensors, request: Request) -> Contents:
    """Return the contents in the names of a model that is not ours."""
    plain, done = folded(blueprint, drawn, bias=form.biased(blueprint))
    tensors = _cast(renamed(plain, form), request)
    if blueprint.dims.tied:
        # Trainers name the tied tensor twice, and a safetensors file holds no tensor under two names.
        tensors["lm_head.weight"] = tensors[form.names.key("token_embedding.weight")].clone()
    honour = {"multipliers": bool(done), "optimizer groups": "optimizer groups" in blueprint.needs}
    needs = [need for need, open_ in honour.items() if open_]
    return Contents(tensors, needs, form.config(blueprint, activation), _notes(done, added(blueprint, plain)))


def _cast(tensors: Tensors, request: Request) -> Tensors:
    return {name: tensor.to(DTYPES[request.dtype]).contiguous() for name, tensor in tensors.items()}


def _draw(blueprint: Blueprint, activation: str, request: Request) -> Tensors:
    """Draw as the engine does: in float32, or float64 where that is what is wanted."""
    dtype = torch.float64 if request.dtype == "float64" else torch.float32
    forward = calibration(blueprint, ACTIVATIONS.get(activation).function, _tokens(blueprint, request))
    return draw_all(blueprint, seed=request.seed, dtype=dtype, forward=forward)


def _tokens(blueprint: Blueprint, request: Request) -> Tensor:
    """Return the (B, T) tokens an init may be calibrated on: a run's first batch, or uniformly random ones."""
    dims = blueprint.dims
    if request.corpus is None:
        shape, generator = (CALIBRATION_BATCH, dims.block_size), slot_generator("calibration batch", request.seed)
        return torch.randint(dims.vocab_size, shape, generator=generator)
    tokens, _ = draw_batch(
        request.corpus.train,
        block_size=dims.block_size,
        batch_size=CALIBRATION_BATCH,
        seed=request.seed,
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


def _metadata(plan: Plan, request: Request, contents: Contents) -> dict[str, str]:
    """What the file says of itself. ``format`` is safetensors' own key: Hugging Face loads only files with ``pt``."""
    blueprint = plan.blueprint
    facts: dict[str, Any] = {
        "format": plan.name,
        "version": versions()["initlab"] or "unknown",
        "init": blueprint.init,
        "seed": request.seed,
        "activation": plan.activation,
        "dims": asdict(blueprint.dims),
        "topology": blueprint.topology.to_json(),
        "needs": contents.needs,
        "config": contents.config,
        "laws": blueprint.to_json()["slots"],
    }
    return {"format": "pt", "initlab": canonical_json(facts)}
