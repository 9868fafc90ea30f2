"""Coordinate checks: how large the activations are after a few steps, and how far they have moved.

In a network whose parametrisation fits, neither depends on its width, or on its depth: microsoft/mup's README and
``coord_check.py`` plot mean absolute values over widths, EleutherAI/nanoGPT-mup those over depths. What is returned
here are root mean squares; ``stats.slopes.log_log_slope`` of them over sizes is the exponent with which they grow.

    >>> after = coordinates([RunSpec(model=model, train=TrainSpec(steps=5, lr=1e-2), init="mup")], [corpus])
    >>> after[0]["residual"].size[-1]
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from initlab.activations.functions import ACTIVATIONS
from initlab.data.batches import draw_batch
from initlab.data.corpus import Corpus
from initlab.engine.group import Group
from initlab.inits.catalogue import blueprint_for
from initlab.inits.draw import draw_all
from initlab.model.calibration import calibration
from initlab.network.blueprint import Forward
from initlab.spec.run import RunSpec
from tests.networks import Tensors


@dataclass(frozen=True)
class Coordinates:
    """Root mean squares over batch, tokens and channels at every site of one place, in the forward pass's order."""

    size: list[float]
    change: list[float]


def coordinates(specs: Sequence[RunSpec], corpora: Sequence[Corpus]) -> list[dict[str, Coordinates]]:
    """Train lanes of one shape and as many steps; return each one's coordinates by the place that the model taps.

    Of each lane's first batch, without dropout; ``change`` is since before the first step. A lane may end as
    badly as it likes, but by its steps: one whose loss stops being finite leaves the group with its parameters.
    """
    group = Group(specs, corpora)
    steps = [record.row["steps"] for record in group.run() if record.kind == "summary"]
    assert steps == [spec.train.steps for spec in specs], "a lane ended early"
    return [
        _lane(spec, corpus, {name: x[n] for name, x in group._parameters.items()})
        for n, (spec, corpus) in enumerate(zip(specs, corpora, strict=True))
    ]


def _lane(spec: RunSpec, corpus: Corpus, trained: Tensors) -> dict[str, Coordinates]:
    """Return one lane's coordinates, given the slots that moved in any."""
    blueprint = blueprint_for(spec.model, spec.init, spec.activation, corpus.vocab_size)
    tokens, _ = draw_batch(
        corpus.train,
        block_size=blueprint.dims.block_size,
        batch_size=spec.train.batch_size,
        seed=spec.data_seed,
        split="train",
        step=0,
    )
    forward = calibration(blueprint, ACTIVATIONS.get(spec.activation).function, torch.from_numpy(tokens))
    drawn = draw_all(blueprint, seed=spec.seed, dtype=next(iter(trained.values())).dtype, forward=forward)
    before, after = activations(forward, drawn), activations(forward, {**drawn, **trained})
    return {
        place: Coordinates([rms(x) for x in sites], [rms(x - y) for x, y in zip(sites, before[place], strict=True)])
        for place, sites in after.items()
    }


def activations(forward: Forward, tensors: Tensors) -> dict[str, list[Tensor]]:
    """Return what every place of the network holds, (B, T, C) a site.

    Attention's maps, (B, H, T, T), are left out: they have an entry a pair of tokens, and masked logits are infinite.
    """
    places: dict[str, list[Tensor]] = defaultdict(list)

    def tap(place: str, x: Tensor) -> Tensor:
        if x.dim() == 3:
            places[place].append(x)
        return x

    forward(tensors, tap)
    return places


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())
