"""Predictions from laws against initlab's own model drawn from the same laws, and models that break their laws.

Tolerances come from the predicted bands and the number of seeds; 3/width is for what theory leaves out.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from initlab.activations.functions import ACTIVATIONS
from initlab.engine.lane_model import Batch, LaneModel
from initlab.engine.stacking import lane_tensors
from initlab.inits.catalogue import resolve
from initlab.inits.draw import draw_all
from initlab.network.topology import Dims
from initlab.theory.from_laws import model_from_laws
from initlab.theory.prediction import Prediction, predict
from initlab.theory.tokens import TokenStatistics
from tests.networks import random_tokens
from tests.theory.network import Curves, assert_agrees

pytestmark = pytest.mark.usefixtures("one_thread")

SEEDS, BATCH, WIDTH = 8, 4, 96
FORWARD = ("residual_ms", "residual_var", "attn_ms", "mlp_ms", "token_cosine", "logit_var")
INITS = ("gpt2", "depth-scaled", "note-proj-0.02", "note-inv-sqrt-depth", "pytorch")
Change = Callable[[str, torch.Tensor], torch.Tensor]


def sizes(n_layer: int = 4, *, tied: bool = True) -> Dims:
    return Dims(
        n_layer=n_layer, n_head=4, n_embd=WIDTH, vocab_size=60, block_size=32, ffn_hidden=4 * WIDTH, tied=tied
    )


def prediction(init: str, dims: Dims, activation: str) -> Prediction:
    return predict(
        model_from_laws(resolve(init).blueprint(dims), activation),
        TokenStatistics.uniform(dims.vocab_size),
        batch=BATCH,
    )


def as_drawn(name: str, tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def measured(init: str, dims: Dims, activation: str, change: Change = as_drawn) -> Curves:
    """Return the mean over seeds of what the engine's probes see at step 0."""
    blueprint = resolve(init).blueprint(dims)
    model = LaneModel(blueprint.network, ACTIVATIONS.get(activation).function, 0.0)
    runs = []
    for seed in range(SEEDS):
        drawn = draw_all(blueprint, seed=seed)
        changed = {name: change(name, tensor) for name, tensor in drawn.items()}
        lanes, constants = lane_tensors([blueprint], [changed])
        text = random_tokens(dims, BATCH, seed=1000 + seed, extra=1)
        batch = Batch(text[None, :, :-1], text[None, :, 1:], torch.zeros(1, dtype=torch.long))
        _, loss, seen = model.probe(lanes, constants, batch)
        curves = {name: values[0].double().numpy() for name, values in seen.items()}
        runs.append({**curves, "grad_ms": curves["grad_rms"] ** 2, "initial_loss": loss.double().numpy()})
    return {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("init", INITS)
def test_every_curve(init: str, activation: str, tied: bool) -> None:
    dims = sizes(tied=tied)
    predicted = prediction(init, dims, activation)
    assert_agrees(predicted, measured(init, dims, activation), SEEDS, WIDTH, (*FORWARD, "grad_ms", "initial_loss"))


def test_deeper() -> None:
    dims = sizes(16)
    for init in ("gpt2", "depth-scaled"):
        assert_agrees(prediction(init, dims, "gelu"), measured(init, dims, "gelu"), SEEDS, WIDTH, FORWARD)


def only(role: str, factor: float) -> Change:
    """A trainer that multiplies one kind of matrix by something its init does not say."""
    return lambda name, tensor: tensor * factor if name.endswith(f"{role}.weight") else tensor


BROKEN: dict[str, tuple[str, Change, str]] = {
    # Residual scaling on one of the two projections alone, the other left at its full size.
    "attn_out is not scaled": ("depth-scaled", only("attn_out", math.sqrt(8)), "attn_ms"),
    "ffn_down is not scaled": ("depth-scaled", only("ffn_down", math.sqrt(8)), "mlp_ms"),
    "a forgotten gain of √2": ("pytorch", only("ffn_up", math.sqrt(2)), "mlp_ms"),
    "embeddings ten percent too large": ("gpt2", only("token_embedding", 1.1), "residual_ms"),
    "a norm's gain of 1.2": ("gpt2", only("ffn.norm", 1.2), "mlp_ms"),
}


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_a_broken_model_is_caught(fault: str) -> None:
    init, change, curve = BROKEN[fault]
    dims = sizes()
    with pytest.raises(AssertionError, match=curve):
        assert_agrees(prediction(init, dims, "gelu"), measured(init, dims, "gelu", change), SEEDS, WIDTH, [curve])
