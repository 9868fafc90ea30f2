"""Every init in the catalogue trains: 50 steps of the engine at 2 layers, 64 wide, on the synthetic corpus.

Default AdamW at 1e-3 without warm-up. Inits whose networks have one shape train as lanes of one model, each group
in a test of its own. What is compared is the loss on the same validation batches before and after, so that the noise
of batches drops out. No entry may diverge: those of which the literature warns, post-norm without warm-up, fail in
networks far deeper than this one.
"""

import math
from collections import defaultdict
from functools import lru_cache

import pytest

from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.inits.catalogue import INITS, blueprint_for
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec

pytestmark = pytest.mark.usefixtures("one_thread")

VOCABULARY = 64
MODEL = ModelSpec(n_layer=2, n_head=4, n_embd=64, block_size=32, vocab_size=VOCABULARY)
LANES, LR = 8, 1e-3
TRIALS = {"gelu": (50, 0.5), "swiglu": (5, 0.0)}
"""Steps, and the nats of validation loss that an init must have won after them. The text's unigram entropy is .7 nats
below a uniform guess. Of gated networks it is asked only that they start in the right direction: that is cheap."""

OWN_LR = {
    "u-mup": 0.3,  # its rates are over √fan_in and √L, on tensors of unit variance: 1e-3 would hardly move them
    "rezero": 5e-3,  # without norms a table of std .02 is all there is to see at first, and gradients are as small
    "skipinit": 5e-3,  # the same network but for the number of α
}
"""Inits that have won 0.1 nats or less after 50 steps at the common rate, and a rate that shows that they learn."""

REFUSES = {("looks-linear", "swiglu")}
"""It pairs hidden units, which a gated MLP does not have: an error before anything is trained."""


def groups(activation: str) -> list[tuple[str, ...]]:
    """Return the catalogue in groups that train together."""
    by_shape: dict[str, list[str]] = defaultdict(list)
    for name in dict(INITS.items()):
        if (name, activation) not in REFUSES:
            by_shape[blueprint_for(MODEL, name, activation, VOCABULARY).shape].append(name)
    return [tuple(names[i : i + LANES]) for names in by_shape.values() for i in range(0, len(names), LANES)]


CASES = [
    pytest.param(names, activation, id=f"{activation}-{'+'.join(names)}")
    for activation in TRIALS
    for names in groups(activation)
]


@lru_cache
def curves(names: tuple[str, ...], activation: str) -> dict[str, tuple[list[float], float, float]]:
    """Return every init's training losses, and its validation losses before and after; none of one that stopped."""
    steps, _ = TRIALS[activation]
    specs = [
        RunSpec(
            model=MODEL,
            train=TrainSpec(steps=steps, batch_size=4, lr=OWN_LR.get(name, LR), eval_interval=steps, eval_batches=16),
            init=name,
            activation=activation,
        )
        for name in names
    ]
    losses: list[list[float]] = [[] for _ in names]
    validation: list[list[float]] = [[] for _ in names]
    for record in Group(specs, [load_corpus("synthetic")] * len(names)).run():
        if record.kind == "metrics":
            losses[record.lane].append(record.row["train_loss"])
            if "val_loss" in record.row:
                validation[record.lane].append(record.row["val_loss"])
    return {
        name: (losses[n], validation[n][0], validation[n][-1])
        for n, name in enumerate(names)
        if len(validation[n]) == 2
    }


@pytest.mark.parametrize(("names", "activation"), CASES)
def test_trains(names: tuple[str, ...], activation: str) -> None:
    steps, learnt = TRIALS[activation]
    found = curves(names, activation)
    assert set(found) == set(names), "a lane stopped before its end"
    for name, (losses, before, after) in found.items():
        assert len(losses) == steps + 1
        assert all(math.isfinite(loss) for loss in losses), name
        assert after < before - learnt, f"{name}: from {before:.3f} to {after:.3f} nats on the same batches"
