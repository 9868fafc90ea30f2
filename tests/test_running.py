"""A sweep runs what is missing, and how it is run changes no byte."""

import shutil
from pathlib import Path

import pytest

from initlab.machine.execution import Overrides
from initlab.machine.profile import MachineProfile
from initlab.planning.groups import LaneGroup
from initlab.planning.source import read_spec
from initlab.results.run import RunWriter, mark_failed
from initlab.running import Sweep, execution_plan_for, missing_runs, plan_sweep, run_sweep, write_plan
from tests.tiny import stored_bytes, tiny_sweep

AXES: dict[str, list[object]] = {"init": ["gpt2", "pytorch"], "activation": ["gelu", "relu"], "seed": [0, 1, 2]}


class Watcher:
    """Remembers which groups were done."""

    def __init__(self, groups: list[LaneGroup]) -> None:
        self.groups = groups
        self.done: list[int] = []

    def group_step(self, group: int, step: int, steps: int) -> None:
        assert 0 <= step <= steps

    def note(self, group: int, text: str) -> None:
        raise AssertionError(text)

    def group_done(self, group: int) -> None:
        self.done.append(group)


def _run(sweep: Sweep, jobs: int) -> list[Watcher]:
    watchers: list[Watcher] = []

    def progress(groups: list[LaneGroup]) -> Watcher:
        watchers.append(Watcher(groups))
        return watchers[0]

    run_sweep(sweep, jobs=jobs, retry="failed", progress=progress)
    return watchers


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "straight"
    (watcher,) = _run(tiny_sweep(folder, AXES), jobs=2)
    assert sorted(watcher.done) == list(range(len(watcher.groups)))
    return folder


@pytest.mark.parametrize("jobs", [1, 4])
def test_jobs_and_lanes_change_no_byte(jobs: int, straight: Path, tmp_path: Path) -> None:
    _run(tiny_sweep(tmp_path / "other", AXES), jobs)
    stored = stored_bytes(straight)
    assert len(stored) == 12 * 4
    assert stored_bytes(tmp_path / "other") == stored


def test_a_resumed_sweep_is_computed_as_it_began_whatever_was_measured_since(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "part"
    shutil.copytree(straight, folder)
    sweep = tiny_sweep(folder, AXES)
    chosen = sweep.folder.resolved()["execution"]
    shutil.rmtree(folder / "runs" / sweep.runs[0].id)

    def measure() -> MachineProfile:
        raise AssertionError("measured again")

    monkeypatch.setattr("initlab.running.machine_profile", measure)
    _run(sweep, jobs=1)
    assert sweep.folder.resolved()["execution"] == chosen
    assert stored_bytes(folder) == stored_bytes(straight)
    with pytest.raises(AssertionError, match="measured again"):
        execution_plan_for(tiny_sweep(tmp_path / "new", AXES), Overrides())


def test_a_resumed_sweep_trains_what_is_missing_alone_and_ends_the_same(straight: Path, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    shutil.copytree(straight, folder)
    sweep = tiny_sweep(folder, AXES)
    ids = [run.id for run in sweep.runs]
    shutil.rmtree(folder / "runs" / ids[0])
    (folder / "runs" / ids[1] / "summary.json").unlink()
    with (folder / "runs" / ids[1] / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "torn')
    mark_failed(folder / "runs" / ids[2], "planted")
    (folder / "runs" / ids[2] / "summary.json").unlink()
    untouched = (folder / "runs" / ids[3] / "status.json").read_bytes()
    assert {run.id for run in missing_runs(sweep, "failed")} == set(ids[:3])
    assert {run.id for run in missing_runs(sweep, "none")} == set(ids[:2])
    _run(sweep, jobs=1)
    assert stored_bytes(folder) == stored_bytes(straight)
    assert (folder / "runs" / ids[3] / "status.json").read_bytes() == untouched
    assert _run(sweep, jobs=1) == [], "nothing is left to do"


def test_a_longer_axis_trains_the_new_cells_alone(straight: Path, tmp_path: Path) -> None:
    shutil.copytree(straight, tmp_path / "more")
    more = tiny_sweep(tmp_path / "more", {**AXES, "seed": [0, 1, 2, 3]})
    assert {run.spec.seed for run in missing_runs(more, "failed")} == {3}


def test_diverged_runs_are_results_unless_asked_for_again(tmp_path: Path) -> None:
    sweep = tiny_sweep(tmp_path, {"seed": [0]})
    writer = RunWriter.open(sweep.folder.run(sweep.runs[0].id).path, {}, {})
    assert writer is not None
    writer.finish({"diverged": True, "reason": "planted"})
    assert missing_runs(sweep, "failed") == []
    assert len(missing_runs(sweep, "diverged")) == 1


def test_a_sweep_without_a_name_is_called_by_its_content() -> None:
    one = tiny_sweep(None, {"seed": [0]})
    assert one.name.startswith("sweep-")
    assert len(one.name) == len("sweep-") + 8
    assert one.name == tiny_sweep(None, {"seed": [0]}).name
    assert one.name != tiny_sweep(None, {"seed": [1]}).name


def test_claims_beside_a_spec_are_kept_with_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text("[train]\nsteps = 0\n")
    (tmp_path / "claims.toml").write_text("# what is claimed\n")
    sweep = plan_sweep(read_spec(tmp_path), tmp_path / "out", tmp_path)
    write_plan(sweep)
    assert (tmp_path / "out" / "claims.toml").read_text() == "# what is claimed\n"
    bare = tiny_sweep(tmp_path / "bare", {})
    write_plan(bare)
    assert not (tmp_path / "bare" / "claims.toml").exists()
