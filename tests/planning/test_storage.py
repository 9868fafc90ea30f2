"""A stored plan: what is written, what of an earlier one stays, and the claims beside the spec."""

import json
from pathlib import Path
from typing import Any

import pytest

from initlab.planning.plan import make_plan
from initlab.planning.storage import write_plan
from initlab.results.folder import SweepFolder
from initlab.results.reading import load_results
from initlab.results.run_folder import RunWriter
from initlab.spec.sweep import read_spec
from initlab.store.stored import write_document
from tests.planning.machines import machine
from tests.tiny import tiny_sweep

AXES: dict[str, list[object]] = {"init": ["gpt2", "pytorch"], "seed": [0, 1]}


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initlab.planning.plan.cached_profile", machine)


def test_the_plan_lies_in_the_folder_before_anything_is_trained(tmp_path: Path) -> None:
    plan = tiny_sweep(tmp_path, AXES)
    write_plan(plan)
    folder = plan.folder
    assert [run.id for run in load_results(tmp_path).runs] == [run.id for run in plan.runs]
    resolved = folder.resolved()
    assert set(resolved["runs"]) == {run.id for run in plan.runs}
    assert set(resolved["laws"]) == {run.blueprint.digest for run in plan.runs}
    assert plan.execution is not None
    assert resolved["execution"] == json.loads(json.dumps(plan.execution.to_json()))
    document = folder.document()
    assert document["predictions"] == plan.predictions.keys
    assert {path.stem for path in (tmp_path / "predictions").iterdir()} == set(plan.predictions.requests)
    assert (document["target"], document["outlooks"]) == ({}, [])
    assert not list((tmp_path / "runs").iterdir())


def test_what_is_older_than_this_plan_stays(tmp_path: Path) -> None:
    write_plan(tiny_sweep(tmp_path, AXES))
    sweep = json.loads((tmp_path / "sweep.json").read_text())
    sweep |= {"created_at": "2001-01-01T00:00:00+0000", "plugin_probes": {"mine": "residual"}}
    write_document(tmp_path / "sweep.json", _without_checksum(sweep))
    write_plan(tiny_sweep(tmp_path, AXES))
    again = SweepFolder(tmp_path).document()
    assert again["created_at"] == "2001-01-01T00:00:00+0000"
    assert again["plugin_probes"] == {"mine": "residual"}


def _without_checksum(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("sha256", "schema_version")}


def test_how_runs_were_computed_stays_where_nothing_is_missing(tmp_path: Path) -> None:
    plan = tiny_sweep(tmp_path, {"seed": [0]})
    write_plan(plan)
    resolved = json.loads((tmp_path / "spec.resolved.json").read_text())
    resolved["execution"]["machine"]["key"]["cores"] = 9999  # another machine's, which this one cannot follow
    write_document(tmp_path / "spec.resolved.json", _without_checksum(resolved))
    writer = RunWriter.open(plan.folder.run(plan.runs[0].id).path, {}, {})
    assert writer is not None
    writer.finish({"diverged": False})
    done = tiny_sweep(tmp_path, {"seed": [0]})
    assert done.missing == ()
    write_plan(done)
    assert SweepFolder(tmp_path).resolved()["execution"] == resolved["execution"]


def test_claims_beside_a_spec_are_kept_with_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text("[train]\nsteps = 0\n")
    (tmp_path / "claims.toml").write_text("# what is claimed\n")
    write_plan(make_plan(read_spec(tmp_path), tmp_path / "out"))
    assert (tmp_path / "out" / "claims.toml").read_text() == "# what is claimed\n"
    write_plan(tiny_sweep(tmp_path / "bare", {}))
    assert not (tmp_path / "bare" / "claims.toml").exists()
