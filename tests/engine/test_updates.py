"""How far one update moves a matrix, against Adam's known first step and against the weights themselves."""

import math

import numpy as np
import pytest
import torch

from initlab.data.corpus import Corpus
from initlab.engine.group import Group
from initlab.engine.updates import moving_matrices, update_ratios
from initlab.inits.catalogue import resolve
from initlab.probes.quantities import UPDATE_PROBES
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec
from tests.networks import tiny

pytestmark = pytest.mark.usefixtures("one_thread")

LR = 1e-3
TOKENS = np.random.Generator(np.random.Philox(0)).integers(0, 32, 2000).astype(np.uint16)
CORPUS = Corpus.of("noise", (TOKENS[:1500], TOKENS[1500:]), tokenizer="ids", vocab_size=32)
ROLES = {"query", "key", "value", "attn_out", "ffn_up", "ffn_down"}


def spec(init: str = "gpt2", n_layer: int = 2, **train: object) -> RunSpec:
    model = ModelSpec(n_layer=n_layer, n_head=2, n_embd=32, block_size=16)
    asked = {"steps": 2, "batch_size": 4, "lr": LR, "weight_decay": 0.0, "eval_batches": 1, "schedule": "constant"}
    return RunSpec(model=model, init=init, train=TrainSpec.model_validate({**asked, **train}))


def ratios(*specs: RunSpec, step: int = 1) -> list[dict[str, list[float]]]:
    """Return what each lane's row of a step says of updates."""
    rows = [
        (record.lane, record.row)
        for record in Group(specs, [CORPUS] * len(specs)).run()
        if record.kind == "layers" and record.row["step"] == step
    ]
    found = [
        {name: row[name] for name in row if name in UPDATE_PROBES} for _, row in sorted(rows, key=lambda r: r[0])
    ]
    assert len(found) == len(specs)
    return found


def test_adams_first_step_is_the_learning_rate_whatever_the_gradient() -> None:
    """So the ratio is lr / std: its first step is lr times the gradient's sign."""
    (found,) = ratios(spec())
    assert set(found) == {f"update_ratio_{role}" for role in ROLES}
    # The rms of n normal entries has a relative error of 1/sqrt(2n): the smallest matrix has 32².
    tolerance = 5 / math.sqrt(2 * 32 * 32)
    for name, values in found.items():
        assert len(values) == 2
        assert values == pytest.approx([LR / 0.02] * 2, rel=tolerance), name
        assert values != pytest.approx([LR / 0.02 * 1.3] * 2, rel=tolerance), name


@pytest.mark.parametrize("n_layer", [2, 8])
def test_residual_scaling_makes_the_first_step_of_its_projections_larger_by_the_root_of_2l(n_layer: int) -> None:
    flat, scaled = ratios(spec("gpt2", n_layer), spec("depth-scaled", n_layer))
    for role in ROLES:
        name = f"update_ratio_{role}"
        factor = np.array(scaled[name]) / np.array(flat[name])
        # Two inits draw the same directions, so that the factor has no sampling error, but for Adam's eps, which
        # tells gradients of different sizes apart.
        expected = math.sqrt(2 * n_layer) if role in ("attn_out", "ffn_down") else 1.0
        assert factor == pytest.approx(np.full(n_layer, expected), rel=0.01), role


def test_sgds_first_step_knows_the_gradient() -> None:
    (found,) = ratios(spec(optimizer="sgd"))
    assert not all(value == pytest.approx(LR / 0.02, rel=0.2) for values in found.values() for value in values)


def test_step_zero_has_no_update_and_unprobed_steps_keep_no_copy() -> None:
    rows = [r.row for r in Group([spec(steps=4, probe_interval=4)], [CORPUS]).run() if r.kind == "layers"]
    assert [row["step"] for row in rows] == [0, 4]
    assert not set(rows[0]) & set(UPDATE_PROBES)
    assert {f"update_ratio_{role}" for role in ROLES} <= set(rows[1])
    group = Group([spec(steps=4, probe_interval=4)], [CORPUS])
    kept = {record.row["step"]: bool(group._before) for record in group.run() if record.kind == "metrics"}
    assert kept == {0: False, 1: False, 2: False, 3: True, 4: False}


def test_a_lanes_ratios_do_not_depend_on_its_neighbours() -> None:
    alone = ratios(spec("depth-scaled"))[0]
    _, beside, _ = ratios(spec("pytorch"), spec("depth-scaled"), spec("gpt2"))
    assert beside == alone
    assert beside != ratios(spec("gpt2"))[0]


def test_what_stands_still_and_what_starts_at_zero() -> None:
    before = {"a": torch.ones(2, 2), "b": torch.zeros(2, 2)}
    after = {"a": torch.full((2, 2), 1.5), "b": torch.ones(2, 2)}
    found = update_ratios(before, after, {"value": [None, "a"], "attn_out": ["b"]})
    assert found == {"update_ratio_value": [0.0, 0.5], "update_ratio_attn_out": [math.inf]}


def test_moving_matrices_are_those_of_the_blocks() -> None:
    found = moving_matrices(resolve("gpt2").blueprint(tiny(n_layer=3)))
    assert found["ffn_up"] == [f"blocks.{layer}.ffn_up.weight" for layer in range(3)]
    assert set(found) == ROLES
