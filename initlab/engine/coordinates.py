"""Coordinate checks: how large the activations are after a few steps, and how far they have moved.

In a network whose parametrisation fits, neither depends on its width, or on its depth: microsoft/mup's README and
``coord_check.py`` plot mean absolute values over widths, EleutherAI/nanoGPT-mup those over depths. What is returned
here are root mean squares; ``stats.log_log_slope`` of them over sizes is the exponent with which they grow.

    >>> after = coordinates([RunSpec(model=model, train=TrainSpec(steps=5, lr=1e-2), init="mup")], [corpus])
    >>> after[0]["residual"].size[-1]
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from initlab.data.corpus import Corpus
from initlab.engine.group import Group
from initlab.spec.run import RunSpec


@dataclass(frozen=True)
class Coordinates:
    """Root mean squares over batch, tokens and channels at every site of one place, in the forward pass's order."""

    size: list[float]
    change: list[float]


def coordinates(specs: Sequence[RunSpec], corpora: Sequence[Corpus]) -> list[dict[str, Coordinates]]:
    """Train lanes of one shape to their last step; return each one's coordinates by the place that the model taps.

    Seen on each lane's first batch, without dropout; ``change`` is since before the first step. A lane that diverges
    is seen as it was when it stopped.
    """
    group = Group(specs, corpora, keeps_lanes=True)
    before = _with_channels(group.activations())
    for _ in group.run():
        pass  # its records are the sweep's business
    after = _with_channels(group.activations())
    sizes = {place: _rms(x) for place, x in after.items()}
    changes = {place: _rms(x - before[place]) for place, x in after.items()}
    return [{place: Coordinates(sizes[place][n], changes[place][n]) for place in sizes} for n in range(len(specs))]


def _with_channels(seen: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out attention's maps, whose masked logits are infinite: they have an entry a pair of tokens."""
    return {place: x for place, x in seen.items() if x.dim() == 5}


def _rms(x: Tensor) -> list[list[float]]:
    """Reduce (N, sites, B, T, C) to N lists over sites."""
    found: list[list[float]] = x.square().mean((2, 3, 4)).sqrt().tolist()
    return found
