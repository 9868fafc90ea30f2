"""The loss before training and its gradient at the head, with tied heads that know their input."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from initlab.theory.prediction import predict
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import LN, Curves, assert_agrees, simulate, theory_model
from tests.theory.network import averages as network_averages

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH, VOCAB, BATCH, SEEDS = 64, 40, 8, 24


def averages(law: np.ndarray, head: float, repeat: float) -> Curves:
    """Networks without branches read texts that repeat the last token with probability ``repeat``."""
    network = theory_model(
        width=WIDTH, vocab=VOCAB, layers=0, tied=True, token=head / WIDTH, position=head / WIDTH, head=head
    )
    runs = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        text = rng.choice(VOCAB, (BATCH, network.length + 1), p=law)
        for place in range(1, network.length + 1):
            again = rng.random(BATCH) < repeat
            text[again, place] = text[again, place - 1]
        runs.append(simulate(network, torch.from_numpy(text), seed))
    return {key: np.mean([run[key] for run in runs], axis=0) for key in runs[0]}


@pytest.mark.parametrize("zipf", [0.0, 1.0])
@pytest.mark.parametrize("head", [0.05, 0.5])
@pytest.mark.parametrize("repeat", [0.0, 0.3])
def test_a_tied_head(zipf: float, head: float, repeat: float) -> None:
    law = np.arange(1, VOCAB + 1.0) ** -zipf
    law = law / law.sum()
    collision = float((law**2).sum())
    lags = tuple(collision + (1 - collision) * repeat**lag for lag in range(1, 24)) if repeat else ()
    network = theory_model(
        width=WIDTH, vocab=VOCAB, layers=0, tied=True, token=head / WIDTH, position=head / WIDTH, head=head
    )
    predicted = predict(network, TokenStatistics(VOCAB, collision, lags), batch=BATCH)
    measured = averages(law, head, repeat)
    # Repeats come in runs, so the share of a text that repeats scatters too: sd √(.21·(1+.3)/(1-.3)/(8·24)) = .04.
    own = math.sqrt(head * head / (2 * head) * WIDTH)
    slack = 5 * 0.04 * own / math.sqrt(SEEDS) if repeat else 0.0
    assert (
        abs(measured["initial_loss"][0] - predicted.initial_loss)
        <= slack + 5 * predicted.bands["initial_loss"][0] / math.sqrt(SEEDS) + 0.01
    )
    if not repeat:
        assert_agrees(predicted, measured, SEEDS, WIDTH, ["grad_ms"])
    else:
        assert predicted.grad_ms is not None
        assert measured["grad_ms"] == pytest.approx(np.array(predicted.grad_ms), rel=0.1)


def test_even_logits_cost_ln_v() -> None:
    network = theory_model(incoming=LN, head=1e-9)
    assert predict(network, TokenStatistics.uniform(50)).initial_loss == pytest.approx(math.log(50), abs=1e-6)


def test_variance_costs_half_of_itself() -> None:
    large = theory_model(incoming=LN, head=0.2, vocab=50_000)
    assert predict(large, TokenStatistics.uniform(50_000), backward=False).initial_loss == pytest.approx(
        math.log(50_000) + 0.1, abs=1e-3
    )


@pytest.mark.parametrize("tied", [False, True])
def test_logits_and_loss_know_a_softcap_that_is_reached(tied: bool) -> None:
    capped = theory_model(width=WIDTH, vocab=VOCAB, layers=1, incoming=LN, head=4.0, tied=tied, logit_softcap=1.5)
    text = TokenStatistics.uniform(VOCAB)
    predicted = predict(capped, text, batch=BATCH)
    measured = network_averages(capped, SEEDS, BATCH)
    assert_agrees(predicted, measured, SEEDS, WIDTH, ["logit_var", "initial_loss", "grad_ms"])
    free = predict(replace(capped, logit_softcap=None), text, batch=BATCH)
    for curve in ("logit_var", "initial_loss", "grad_ms"):
        with pytest.raises(AssertionError, match=curve):
            assert_agrees(free, measured, SEEDS, WIDTH, [curve])
