"""A measurement is judged: exact, noisy, wrong, and wrong with an excuse."""

import math
from typing import Any

import numpy as np
import pytest

from initlab.predictions.inputs import document
from initlab.predictions.judge import UNEXPLAINED, Fit, judge
from initlab.theory.validity import ACCURACY
from tests.predictions.cases import case

CURVES = ("attn_ms", "mlp_ms", "residual_ms", "token_cosine", "grad_ms", "initial_loss")


def predicted(init: str = "gpt2") -> dict[str, Any]:
    one = case(init)
    return document(one, one.predict())


def exactly(said: dict[str, Any], seeds: int = 3, **factors: float) -> dict[str, list[list[float]]]:
    """Return measurements that are the prediction times a factor a curve."""
    curves = {**said["sites"], "attn_ms": said["attn_ms"], "mlp_ms": said["mlp_ms"]}
    curves["initial_loss"] = [said["initial_loss"]]
    return {name: [[value * factors.get(name, 1.0) for value in curves[name]]] * seeds for name in CURVES}


def judged(said: dict[str, Any], measured: dict[str, Any]) -> Fit:
    found = judge(said, measured)
    assert found is not None
    return found


def test_what_is_as_predicted_has_no_misfit() -> None:
    said = predicted()
    found = judged(said, exactly(said))
    assert found.misfits == ()
    assert (found.median_error, found.worst_error, found.worst_bands) == pytest.approx((0, 0, 0))


def test_one_draws_scatter_is_no_misfit_and_is_told_in_bands() -> None:
    said = predicted()
    random, measured = np.random.default_rng(0), exactly(said)
    bands = np.array(said["bands"]["residual_ms"])
    one = (np.array(said["sites"]["residual_ms"]) + bands * random.normal()).tolist()
    measured["residual_ms"] = [one]
    found = judged(said, measured)
    assert found.seeds == 1
    assert not [misfit for misfit in found.misfits if misfit.curve == "residual_ms"]
    assert found.median_bands == pytest.approx(abs(np.random.default_rng(0).normal()))


@pytest.mark.parametrize("curve", CURVES)
def test_a_wrong_curve_is_named_with_its_error(curve: str) -> None:
    said = predicted()
    found = judged(said, exactly(said, seeds=400, **{curve: 1.6}))
    (misfit,) = found.misfits
    cosine = said["sites"]["token_cosine"][misfit.site] if curve == "token_cosine" else 0.0
    unit = {"initial_loss": said["initial_loss"], "token_cosine": cosine}.get(curve, 1.0)
    assert misfit.curve == curve
    assert misfit.error == pytest.approx(0.6 * unit)
    assert misfit.explanation == UNEXPLAINED
    assert not misfit.explained


def test_few_seeds_prove_less_than_many() -> None:
    said = predicted()
    band = min(np.array(said["bands"]["mlp_ms"]) / np.array(said["mlp_ms"]))
    factor = 1 + ACCURACY["mlp_ms"] + 3 * band
    assert judged(said, exactly(said, seeds=1, mlp_ms=factor)).misfits == ()
    assert judged(said, exactly(said, seeds=100, mlp_ms=factor)).misfits


def test_a_branch_that_should_be_silent_is_off_by_everything() -> None:
    said = predicted("zero-residual")
    assert judged(said, exactly(said)).misfits == ()
    loud = {**exactly(said), "attn_ms": [[0.0, 1e-9, 0.0]]}
    (misfit,) = judged(said, loud).misfits
    assert (misfit.curve, misfit.site, misfit.error) == ("attn_ms", 1, math.inf)


def test_a_broken_assumption_explains_the_curves_it_affects_alone() -> None:
    said = predicted()
    note = {"assumption": "attention logits are small", "message": "std 4", "affects": ("attn_ms",), "explains": 1.1}
    measured = exactly(said, seeds=400, attn_ms=2.0, mlp_ms=2.0)
    misfits = {one.curve: one for one in judged({**said, "validity": [note]}, measured).misfits}
    assert misfits["attn_ms"].explanation == "not so: attention logits are small (std 4)"
    assert misfits["attn_ms"].explained
    assert not misfits["mlp_ms"].explained
    too_far = judged({**said, "validity": [note]}, exactly(said, seeds=400, attn_ms=3.0))
    assert [one.explanation for one in too_far.misfits] == [UNEXPLAINED], "no error of that size was ever seen of it"


def test_the_closed_form_is_trusted_less() -> None:
    said = predicted()
    measured = exactly(said, seeds=10**6, residual_ms=1 + 1.5 * ACCURACY["residual_ms"])
    assert judged(said, measured).misfits
    assert judged({**said, "method": "closed form"}, measured).misfits == ()


@pytest.mark.parametrize("stream", [[], [[1.0, 2.0]], [[math.nan] * 7]])
def test_what_was_not_measured_whole_is_not_judged(stream: list[list[float]]) -> None:
    assert judge(predicted(), {"residual_ms": stream}) is None
