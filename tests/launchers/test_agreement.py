"""A worker that has something else than the plan refuses and says what; one that has the same trains."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from initlab.inits.catalogue import blueprint_for
from initlab.launchers.agreement import agreed_probes
from initlab.launchers.task import Task, TaskProbe, planned_probes
from initlab.launchers.train import train_task
from initlab.network.blueprint import Blueprint
from initlab.plugins.loading import load_plugin
from initlab.probes.reductions import PROBES, Probe
from initlab.results.folder import SweepFolder
from initlab.results.run_folder import RunDirectory, RunState
from tests.plugins.processes import forget
from tests.tiny import tiny_task

pytestmark = pytest.mark.usefixtures("one_thread")

ENVIRONMENT_FILE = """
import os
from initlab.inits.compose import normal
from initlab.inits.strategy import Strategy, init

@init("tide", source="a test")
def tide() -> Strategy:
    return Strategy(normal(float(os.environ["TIDE"])))
"""
PROBE_FILE = """
from initlab.probes.reductions import probe

@probe("peak", tap="{tap}", summary="a test")
def peak(x):
    return x.amax() * {factor}
"""


def planned(folder: Path, axes: dict[str, list[object]]) -> Task:
    return Task.from_json(json.loads(json.dumps(tiny_task(folder, axes).to_json())))


def trained(task: Task) -> list[RunState]:
    train_task(task, lambda step, steps: None)
    return [SweepFolder(Path(task.folder)).run(run.id).state() for run in task.runs]


def measured(task: Task) -> set[str]:
    run = SweepFolder(Path(task.folder)).run(task.runs[0].id)
    return {name for row in run.layers() for name in row}


@pytest.fixture
def tide(plugin_site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with an init whose law is what the environment says: the same code, another law."""
    monkeypatch.setenv("TIDE", "0.5")
    file = plugin_site / "tide.py"
    file.write_text(ENVIRONMENT_FILE)
    load_plugin(f"{file}:tide")
    return file


@pytest.mark.parametrize("std", ["0.5", "0.25"])
def test_another_law_under_the_same_code_is_refused_by_name(
    std: str, tide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = planned(tmp_path, {"init": ["gpt2", "tide"]})
    forget(tide)
    monkeypatch.setenv("TIDE", std)
    plain, state = trained(task)
    assert plain.status == "finished", "what agrees is trained, whatever else is in its group"
    if std == "0.5":
        assert state.status == "finished"
        return
    assert state.status == "failed"
    assert state.reason is not None
    assert state.reason.startswith("init 'tide' has other laws on this worker than in the plan (digest ")
    assert state.reason.endswith("token_embedding.weight std is 0.5 in the plan, 0.25 on this worker")
    assert not (tmp_path / "runs" / task.runs[1].id / "summary.json").exists()


def test_another_version_of_a_built_in_law_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = planned(tmp_path, {"init": ["gpt2"], "seed": [0]})
    other = replace(task, runs=(replace(task.runs[0], laws="0123456789ab"),))
    (state,) = trained(other)
    assert (state.status, state.reason) == (
        "failed",
        "init 'gpt2' has other laws on this worker than in the plan (digest 0123456789ab in the plan, "
        f"{task.runs[0].laws} on this worker)",
    )
    assert [state.status for state in trained(task)] == ["finished"]


def test_equal_tables_under_another_digest_are_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = planned(tmp_path, {"init": ["gpt2"], "seed": [0]})
    real = blueprint_for

    class Renamed:
        """The same table under another digest."""

        def __init__(self, blueprint: Blueprint) -> None:
            self.digest, self.to_json = "0123456789ab", blueprint.to_json

    monkeypatch.setattr("initlab.launchers.agreement.blueprint_for", lambda *arguments: Renamed(real(*arguments)))
    (state,) = trained(task)
    assert state.reason is not None
    assert state.reason.endswith("on this worker): no entry of their tables")


def test_plug_in_code_that_differs_is_refused_with_both_fingerprints(
    tide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = planned(tmp_path, {"init": ["tide"], "seed": [0]})
    (planned_code,) = task.runs[0].code
    forget(tide)
    tide.write_text(ENVIRONMENT_FILE + "# another comment\n")
    (state,) = trained(task)
    assert state.status == "failed"
    assert state.reason is not None
    assert f"{planned_code} in the plan, tide " in state.reason
    forget(tide)
    tide.write_text(ENVIRONMENT_FILE)
    assert [state.status for state in trained(task)] == ["finished"]


def test_a_corpus_that_differs_is_refused_with_both_hashes(tmp_path: Path) -> None:
    task = planned(tmp_path, {"seed": [0]})
    other = replace(task, runs=(replace(task.runs[0], corpus_sha256="0" * 64),))
    (state,) = trained(other)
    assert state.status == "failed"
    assert state.reason is not None
    assert f"sha256 {'0' * 12} in the plan, {task.runs[0].corpus_sha256[:12]} on this worker" in state.reason
    assert [state.status for state in trained(task)] == ["finished"]


@pytest.fixture
def peak(plugin_site: Path) -> Path:
    file = plugin_site / "peak.py"
    file.write_text(PROBE_FILE.format(tap="residual", factor=1))
    load_plugin(f"{file}:peak")
    return file


def test_a_probe_that_only_the_plan_has_is_refused(peak: Path, tmp_path: Path) -> None:
    task = planned(tmp_path, {"seed": [0]})
    code = PROBES.fingerprint("peak")
    forget(peak)
    (state,) = trained(replace(task, plugins=()))
    assert state.status == "failed"
    assert state.reason == (
        f"the plan measures the probe 'peak' (plug-in code {code}), which this worker does not have"
    )
    assert [state.status for state in trained(task)] == ["finished"], "the twin: a worker that loads it"
    assert "peak" in measured(task)


def test_a_probe_that_only_the_worker_has_is_not_applied(plugin_site: Path, tmp_path: Path) -> None:
    task = planned(tmp_path / "x", {"seed": [0]})
    file = plugin_site / "peak.py"
    file.write_text(PROBE_FILE.format(tap="residual", factor=1))
    load_plugin(f"{file}:peak")
    assert [state.status for state in trained(task)] == ["finished"]
    assert "peak" not in measured(task)
    again = planned(tmp_path / "y", {"seed": [0]})
    trained(again)
    assert "peak" in measured(again)
    left, right = (RunDirectory(Path(one.folder) / "runs" / one.runs[0].id).reading() for one in (task, again))
    assert left.rows("metrics.jsonl") == right.rows("metrics.jsonl")
    summaries = [{**(one.summary or {}), "files": None} for one in (left, right)]  # its layers have one row more
    assert summaries[0] == summaries[1] != {"files": None}


@pytest.mark.parametrize(
    ("tap", "factor", "reason"),
    [
        ("residual", 1, None),
        ("logits", 1, "the probe 'peak' is at tap 'residual' in the plan, on this worker at 'logits'"),
        ("residual", 2, "the probe 'peak' is plug-in code peak "),
    ],
)
def test_a_probe_that_is_another_one_on_the_worker_is_refused(
    tap: str, factor: int, reason: str | None, peak: Path, tmp_path: Path
) -> None:
    task = planned(tmp_path, {"seed": [0]})
    forget(peak)
    peak.write_text(PROBE_FILE.format(tap=tap, factor=factor))
    (state,) = trained(task)
    assert state.status == ("finished" if reason is None else "failed")
    assert reason is None or (state.reason or "").startswith(reason)


def test_a_plug_in_in_place_of_a_built_in_probe_is_told_apart() -> None:
    built_in = planned_probes()
    assert agreed_probes(built_in) == dict(PROBES.items())
    claimed = TaskProbe(name="residual_ms", tap="residual", code="theirs 0123456789ab")
    with pytest.raises(Exception, match="is plug-in code theirs 0123456789ab in the plan, on this worker built in"):
        agreed_probes((claimed,))


def test_probes_are_applied_in_the_order_of_the_plan() -> None:
    planned = planned_probes()
    extra = Probe(tap="residual", reduce=lambda x: x.amin(), summary="a test")
    with PROBES.temporarily("trough", extra):
        for order in (planned, planned[::-1]):
            assert list(agreed_probes(order)) == [probe.name for probe in order]
