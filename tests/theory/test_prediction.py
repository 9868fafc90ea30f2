"""Predictions against networks drawn from the same description by an independent implementation, option by option."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from initlab.theory.prediction import Prediction, predict
from initlab.theory.theory_model import Attention, Branch, Matrix, NormMoments, TheoryModel
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import ALL, LN, RMS, assert_agrees, attention, averages, mlp, theory_model

pytestmark = pytest.mark.usefixtures("one_thread")

SEEDS, BATCH, WIDTH = 12, 4, 96
BIASED = Attention(
    query=Matrix(gain=0.3, bias=0.2),
    key=Matrix(gain=0.3, bias=0.2),
    value=Matrix(gain=1.0, bias=0.3),
    out=Matrix(gain=0.7, bias=0.2),
)

OPTIONS: dict[str, dict[str, Any]] = {
    "pre": {"incoming": LN},
    "pre, relu": {"incoming": LN, "activation": "relu"},
    "pre, relu2, rms": {"incoming": RMS, "final_norm": RMS, "activation": "relu2"},
    "pre, tied": {"incoming": LN, "tied": True, "token": 0.5 / WIDTH},
    "post": {"after": LN},
    "none": {"final_norm": None, "scale": 0.2},
    "sandwich": {"incoming": LN, "outgoing": LN},
    "branch-out": {"outgoing": RMS},
    "sub-norm": {"incoming": LN, "inner": LN},
    "parallel": {"incoming": LN, "parallel": True},
    "gated": {"incoming": LN, "activation": "silu", "bodies": (attention(), mlp(gated=True))},
    "qk-norm": {"incoming": LN, "bodies": (attention(qk_norm=RMS, scale=0.5), mlp())},
    "embedding norm": {"incoming": LN, "embed_norm": LN},
    "multipliers": {"incoming": LN, "skip": 0.8, "scale": 0.5, "incoming_scale": 0.25},
    "gains": {"incoming": NormMoments(gain=2.0), "outgoing": NormMoments(gain=0.5)},
    "biases": {"incoming": LN, "bodies": (BIASED, mlp())},
}


def prediction(network: TheoryModel) -> Prediction:
    return predict(network, TokenStatistics.uniform(network.vocab), batch=BATCH)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_option(name: str) -> None:
    network = theory_model(width=WIDTH, **OPTIONS[name])
    assert_agrees(prediction(network), averages(network, SEEDS, BATCH), SEEDS, WIDTH, ALL)


@pytest.mark.parametrize(
    ("curve", "broken"),
    [
        ("mlp_ms", {"incoming": NormMoments(gain=2.0)}),
        ("residual_ms", {"incoming": LN, "skip": 0.8}),
        ("residual_ms", {"incoming": LN, "scale": 2.0}),
        ("attn_ms", {"incoming": LN, "bodies": (BIASED, mlp())}),
        ("mlp_ms", {"incoming": LN, "activation": "relu"}),
        ("grad_ms", {"incoming": LN, "head": 1.0}),
        ("initial_loss", {"incoming": LN, "head": 3.0}),
        ("residual_ms", {"after": LN}),
    ],
)
def test_a_network_that_breaks_its_promise_is_caught(curve: str, broken: dict[str, Any]) -> None:
    """Negative twins: one option is not what the prediction was told."""
    measured = averages(theory_model(width=WIDTH, **broken), SEEDS, BATCH)
    with pytest.raises(AssertionError, match=curve):
        assert_agrees(prediction(theory_model(width=WIDTH, incoming=LN)), measured, SEEDS, WIDTH, [curve])


def test_the_form_of_a_prediction() -> None:
    found = prediction(theory_model(incoming=LN, layers=2))
    assert len(found.residual_ms) == len(found.token_cosine) == len(found.residual_var) == 5
    assert len(found.attn_ms) == len(found.mlp_ms) == len(found.attn_logit_std) == 2
    assert found.grad_ms is not None
    assert len(found.grad_ms) == 5
    assert found.growth == found.residual_ms[-1] / found.residual_ms[0]
    assert found.residual_ms[0] == pytest.approx(0.8)
    assert found.residual_var[0] == pytest.approx(0.8 * (1 - 1 / 64))
    for name, band in found.bands.items():
        value = getattr(found, name)
        assert len(band) == (len(value) if isinstance(value, tuple) else 1), name
        assert all(size > 0 for size in band), name


def test_the_gradient_is_that_of_a_mean_over_the_batch() -> None:
    network = theory_model(incoming=LN)
    one, four = (predict(network, TokenStatistics.uniform(50), batch=batch) for batch in (1, 4))
    assert np.array(one.grad_ms) == pytest.approx(16 * np.array(four.grad_ms))
    assert predict(network, TokenStatistics.uniform(50), backward=False).grad_ms is None


def scaled(branch: Branch, out: float) -> Branch:
    body = branch.body
    if isinstance(body, Attention):
        return replace(branch, body=replace(body, out=Matrix(gain=body.out.gain * out)))
    return replace(branch, body=replace(body, down=Matrix(gain=body.down.gain * out)))


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_scaling_everything_the_stream_is_made_of_scales_the_stream(factor: float) -> None:
    """std × c on embeddings and residual projections: norms hide it from everything else, but for their epsilon."""
    network = theory_model(incoming=LN)
    branches = tuple(scaled(branch, factor) for branch in network.branches)
    larger = replace(network, token=network.token * factor, position=network.position * factor, branches=branches)
    found, base = prediction(larger), prediction(network)
    assert np.array(found.residual_ms) == pytest.approx(factor * np.array(base.residual_ms), rel=1e-3)
    assert found.token_cosine == pytest.approx(base.token_cosine, rel=1e-3)
    assert found.initial_loss == pytest.approx(base.initial_loss, rel=1e-3)
    assert np.array(found.grad_ms) * factor == pytest.approx(np.array(base.grad_ms), rel=1e-3)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_linear_parts_scale_as_they_should(factor: float) -> None:
    """relu is homogeneous: std × c on its matrix is c² in what the branch adds."""
    body = mlp()
    wider = replace(body, up=Matrix(gain=body.up.gain * factor))
    base, found = (
        prediction(theory_model(incoming=LN, layers=1, activation="relu", bodies=(attention(), part)))
        for part in (body, wider)
    )
    assert found.mlp_ms == pytest.approx([factor * base.mlp_ms[0]])
    assert found.attn_ms == pytest.approx(base.attn_ms)


def test_depth_scaled_branches_reach_the_same_stream_at_every_depth() -> None:
    def last(layers: int, rule: float) -> float:
        branches = theory_model(incoming=LN, layers=layers).branches
        network = replace(
            theory_model(incoming=LN, layers=layers), branches=tuple(scaled(branch, rule) for branch in branches)
        )
        return predict(network, TokenStatistics.uniform(50), backward=False).growth

    assert last(48, 1 / 96) == pytest.approx(last(12, 1 / 24), rel=0.05)
    assert last(48, 1) > 2 * last(12, 1)  # and without the rule it is not


def test_silent_branches_leave_the_stream_exactly_as_it_was() -> None:
    network = theory_model(incoming=LN)
    silent = prediction(replace(network, branches=tuple(scaled(branch, 0.0) for branch in network.branches)))
    assert set(silent.residual_ms) == {silent.residual_ms[0]}
    assert silent.attn_ms == silent.mlp_ms == (0.0, 0.0, 0.0)
    assert silent.grad_ms is not None
    assert set(silent.grad_ms) == {silent.grad_ms[0]}


def test_a_single_token() -> None:
    found = prediction(theory_model(incoming=LN, length=1))
    assert np.isfinite(found.residual_ms).all()
    assert found.token_cosine == (0.0,) * 7
    # It attends to itself alone: the value and output gains are all there is.
    assert found.attn_ms[0] == pytest.approx(0.7, rel=0.02)
