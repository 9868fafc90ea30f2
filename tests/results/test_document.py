"""The document of a sweep: an entry a planned run, whatever became of it."""

from pathlib import Path

from initlab.results.document import sweep_document
from initlab.results.reading import load_results
from tests.tiny import tiny_sweep
from tests.verdicts.planted import DIVERGED, FAILED, MISSING, Planted, store


def test_every_planned_run_has_an_entry(tmp_path: Path) -> None:
    results = store(tmp_path / "x", [Planted({0: 2.5, 1: FAILED, 2: MISSING, 3: DIVERGED})])
    document = sweep_document(results)
    assert list(document) == ["sweep", "path", "runs"]
    assert document["path"] == str(tmp_path / "x")
    assert [run["seed"] for run in document["runs"]] == [0, 1, 2, 3]
    assert [run["status"] for run in document["runs"]] == ["finished", "failed", "missing", "diverged"]
    assert document["runs"][0]["val_loss"] == 2.5
    assert document["runs"][1]["reason"] == "planted failure"
    assert {run["init"] for run in document["runs"]} == {results.cells[0].init}
    unknown = {key: document["runs"][2][key] for key in ("steps", "train_loss", "val_loss", "residual_ms", "reason")}
    assert set(unknown.values()) == {None}


def test_axes_are_the_swept_fields(tmp_path: Path) -> None:
    from initlab.planning.storage import write_plan

    write_plan(tiny_sweep(tmp_path, {"train.lr": [1e-3, 2e-3]}))
    runs = sweep_document(load_results(tmp_path))["runs"]
    assert [run["axes"] for run in runs] == [{"train.lr": 1e-3}, {"train.lr": 2e-3}]
