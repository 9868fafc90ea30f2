"""What theory says of a planned sweep, once for every network."""

from pathlib import Path
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.planning.predicted import planned_predictions, proxy_hint, scale_ups
from initlab.planning.storage import write_plan
from initlab.predictions.inputs import PredictionInput
from initlab.results.folder import SweepFolder
from initlab.results.reading import load_results
from tests.tiny import tiny_sweep

AXES: dict[str, list[object]] = {"init": ["gpt2", "xavier"], "seed": [0, 1], "train.lr": [1e-3, 3e-3]}


def test_runs_of_one_network_share_a_prediction() -> None:
    runs = tiny_sweep(None, AXES).runs
    predictions = planned_predictions(runs)
    assert len(runs) == 8
    assert set(predictions.keys) == {run.id for run in runs}
    assert set(predictions.keys.values()) == set(predictions.requests)
    assert len(predictions.requests) == 2
    for run in runs:
        request = predictions.requests[predictions.keys[run.id]]
        assert (request.blueprint.digest, request.activation) == (run.blueprint.digest, run.spec.activation)


def test_predictions_lie_beside_the_plan_before_anything_is_trained(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, AXES)
    ids = [run.id for run in sweep.runs]
    write_plan(sweep)
    assert not list((tmp_path / "runs").iterdir())
    assert len(list((tmp_path / "predictions").glob("*.json"))) == 2
    results = load_results(tmp_path)
    assert set(results.predictions) == {cell.index for cell in results.cells}
    assert {document["init"] for document in results.predictions.values()} == {"gpt2", "xavier"}
    assert [run.id for run in tiny_sweep(tmp_path, AXES).runs] == ids


def test_runs_are_the_same_with_and_without_a_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_theory = [run.id for run in tiny_sweep(tmp_path, AXES).runs]

    def fail(self: PredictionInput, method: str) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(PredictionInput, "predict", fail)
    sweep = tiny_sweep(tmp_path, AXES)
    write_plan(sweep)
    assert [run.id for run in sweep.runs] == with_theory
    assert all("planted" in one["reason"] for one in load_results(tmp_path).predictions.values())


def test_the_target_is_stored_and_kept_when_a_sweep_is_resumed(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, AXES, target={"n_embd": 64})
    write_plan(sweep)
    stored = load_results(tmp_path).outlooks
    assert [(outlook["init"], outlook["offer"]) for outlook in stored] == [
        ("gpt2", "gpt2:std=0.04"),
        ("xavier", None),
    ]
    write_plan(tiny_sweep(tmp_path, {**AXES, "init": ["gpt2"]}))
    document = SweepFolder(tmp_path).document()
    assert document["target"] == {"n_embd": 64}
    assert list(load_results(tmp_path).outlooks) == document["outlooks"]
    assert len(document["outlooks"]) == 1


def test_sizes_that_no_model_has_are_refused() -> None:
    with pytest.raises(InitlabError, match="not divisible"):
        scale_ups(tiny_sweep(None, AXES).runs, {"n_embd": 63, "n_head": 2})


def test_only_a_narrow_network_of_a_fixed_std_is_hinted_at() -> None:
    line = proxy_hint(tiny_sweep(None, AXES).runs)
    assert line is not None
    assert line.startswith("gpt2 grows")
    assert proxy_hint(tiny_sweep(None, {"init": ["xavier"]}).runs) is None
    wide: dict[str, Any] = {"model.n_embd": 256, "model.n_head": 4}
    assert proxy_hint(tiny_sweep(None, AXES, **wide).runs) is None
