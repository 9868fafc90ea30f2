import math
from typing import Any

import pytest

from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec
from tests.coordinates import coordinates

pytestmark = pytest.mark.usefixtures("one_thread")

CORPUS = load_corpus("synthetic")
MODEL: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 8, "tied": False}
TRAIN: dict[str, Any] = {"steps": 1, "batch_size": 2, "eval_batches": 1, "lr": 1e-2, "schedule": "constant"}


def spec(model: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **fields: Any) -> RunSpec:
    return RunSpec(
        model=ModelSpec(**{**MODEL, **(model or {})}), train=TrainSpec(**{**TRAIN, **(train or {})}), **fields
    )


def test_sizes_at_init_are_the_roots_of_what_the_probes_see() -> None:
    # Step 0's probes read the same batch with the same parameters.
    one = spec(train={"steps": 0})
    found = coordinates([one], [CORPUS])[0]
    row = next(record.row for record in Group([one], [CORPUS]).run() if record.kind == "layers")
    for place, probe in (("residual", "residual_ms"), ("attn_branch", "attn_ms"), ("mlp_branch", "mlp_ms")):
        assert found[place].size == pytest.approx([math.sqrt(value) for value in row[probe]], rel=1e-5)
        assert found[place].change == [0.0] * len(row[probe])


def test_every_place_has_its_sites() -> None:
    found = coordinates([spec()], [CORPUS])[0]
    assert len(found["residual"].size) == 2 * 2 + 1
    assert len(found["logits"].size) == 1
    others = set(found) - {"residual", "logits"}
    assert {"query", "key", "value", "attn_branch", "ffn_up", "mlp_branch"} <= others
    assert all(len(found[place].size) == len(found[place].change) == 2 for place in others)


def test_adams_first_step_moves_every_entry_by_the_learning_rate() -> None:
    # m/√v is ±1 at the first step, whatever the gradient; without positions the stream starts as the tokens' rows.
    for lr in (1e-2, 1e-4):
        one = spec(model={"positions": "none"}, train={"lr": lr, "weight_decay": 0.0, "eps": 1e-30})
        assert coordinates([one], [CORPUS])[0]["residual"].change[0] == pytest.approx(lr, rel=1e-3)


def test_a_lane_among_others_is_as_it_is_alone() -> None:
    specs = [spec(seed=0), spec(train={"lr": 3e-2}, seed=1), spec(init="pytorch", seed=0)]
    together = coordinates(specs, [CORPUS] * 3)
    alone = [coordinates([one], [CORPUS])[0] for one in specs]
    for a, b in zip(together, alone, strict=True):
        for place in a:
            assert a[place].size == pytest.approx(b[place].size, rel=1e-5)
            assert a[place].change == pytest.approx(b[place].change, rel=1e-4)
    assert together[0]["residual"].change != pytest.approx(together[1]["residual"].change, rel=0.5)


def test_a_lane_that_diverges_at_its_own_pace_has_coordinates_and_one_that_is_not_finite_has_none() -> None:
    wild = spec(train={"steps": 5, "lr": 30.0, "clip": 0.0})
    row = next(record.row for record in Group([wild], [CORPUS]).run() if record.kind == "summary")
    assert row["diverged"]
    assert row["steps"] == 5
    assert coordinates([wild], [CORPUS])[0]["residual"].change[-1] > 1
    with pytest.raises(AssertionError, match="a lane ended early"):
        coordinates([wild, spec(init="gpt2:std=1e20", train={"steps": 5})], [CORPUS] * 2)
