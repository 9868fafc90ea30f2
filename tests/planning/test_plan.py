"""A plan says once, and for good, what is there, what is missing, how it is computed, and what it costs."""

import shutil
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.machine.execution import Overrides
from initlab.machine.profile import MachineProfile
from initlab.planning.plan import EarlierPlan, Plan, make_plan
from initlab.planning.storage import write_plan
from initlab.results.folder import SweepFolder
from initlab.results.run_folder import RunDirectory, RunState, RunWriter, mark_failed
from initlab.spec.sweep import Grid, SweepSpec
from tests.planning.machines import machine
from tests.tiny import SIZES, tiny_sweep

AXES: dict[str, list[object]] = {"init": ["gpt2", "pytorch"], "seed": [0, 1, 2]}
PLAN = "initlab.planning.plan"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that somebody measured."""
    monkeypatch.setattr(f"{PLAN}.cached_profile", machine)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine that nobody measured; returns what is measured of it."""
    measurements: list[str] = []

    def measure() -> MachineProfile:
        measurements.append("measured")
        return machine()

    monkeypatch.setattr(f"{PLAN}.cached_profile", lambda: None)
    monkeypatch.setattr(f"{PLAN}.machine_profile", measure)
    return measurements


def finish(plan: Plan, number: int, *, diverged: bool = False) -> None:
    writer = RunWriter.open(plan.folder.run(plan.runs[number].id).path, {}, {})
    assert writer is not None
    writer.finish({"diverged": diverged, "reason": "planted" if diverged else None})


def missing(plan: Plan) -> list[int]:
    return [plan.runs.index(run) for run in plan.missing]


def test_everything_is_missing_of_a_sweep_that_nobody_ran(tmp_path: Path, measured: None) -> None:
    plan = tiny_sweep(tmp_path / "x", AXES, jobs=2)
    assert plan.missing == plan.runs
    assert len(plan.runs) == 6
    assert {state.status for state in plan.states.values()} == {"missing"}
    assert sorted(run.id for group in plan.groups for run in group.runs) == sorted(run.id for run in plan.runs)
    assert plan.workers == 2
    assert plan.execution is not None
    assert plan.seconds > 4
    assert set(plan.predictions.keys) == {run.id for run in plan.runs}
    assert plan.earlier == EarlierPlan()
    assert not (tmp_path / "x").exists(), "planning writes nothing"


@pytest.mark.usefixtures("measured")
def test_what_retry_means(tmp_path: Path) -> None:
    plan = tiny_sweep(tmp_path, AXES)
    finish(plan, 0)
    finish(plan, 1, diverged=True)
    mark_failed(plan.folder.run(plan.runs[2].id).path, "planted")
    held = RunWriter.open(plan.folder.run(plan.runs[3].id).path, {}, {})  # this process trains it
    assert held is not None
    held.log("at work")
    assert missing(tiny_sweep(tmp_path, AXES, retry="failed")) == [2, 4, 5]
    assert missing(tiny_sweep(tmp_path, AXES, retry="diverged")) == [1, 2, 4, 5]
    assert missing(tiny_sweep(tmp_path, AXES, retry="none")) == [4, 5]
    states = tiny_sweep(tmp_path, AXES).states
    assert [states[run.id].status for run in plan.runs] == ["finished", "diverged", "failed", "running"] + [
        "missing"
    ] * 2
    held.interrupt("enough")


@pytest.mark.usefixtures("measured")
def test_a_plan_of_what_is_all_there_trains_nothing(tmp_path: Path) -> None:
    plan = tiny_sweep(tmp_path, {"seed": [0]})
    finish(plan, 0)
    done = tiny_sweep(tmp_path, {"seed": [0]})
    assert (done.missing, done.groups, done.execution, done.seconds) == ((), (), None, 0.0)


@pytest.mark.usefixtures("measured")
def test_each_run_is_asked_for_once_however_many_names_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    state = RunDirectory.state

    def noted(directory: RunDirectory) -> RunState:
        asked.append(directory.id)
        return state(directory)

    monkeypatch.setattr(RunDirectory, "state", noted)
    plan = tiny_sweep(tmp_path, {"init": ["depth-scaled", "nanogpt", "gpt2"], "seed": [0, 1]})
    assert len(plan.runs) == len(plan.missing) == 6, "two names of one law are two cells"
    assert len(asked) == len(set(asked)) == 4
    assert sum(len(group.runs) for group in plan.groups) == 4, "and one run"
    twice = tiny_sweep(tmp_path, {"init": ["depth-scaled", "gpt2"], "seed": [0, 1]})
    assert plan.seconds == pytest.approx(twice.seconds), "which is paid for once"


def test_a_machine_is_measured_the_first_time_and_only_to_train(tmp_path: Path, unmeasured: list[str]) -> None:
    lines: list[str] = []
    spec = SweepSpec(fixed=SIZES, grids=(Grid(AXES),))
    dry = make_plan(spec, tmp_path, jobs=2, measure=False, note=lines.append)
    assert (dry.execution, dry.groups, dry.workers) == (None, (), 2)
    assert dry.missing
    assert dry.seconds > 4
    assert (unmeasured, lines) == ([], [])
    assert make_plan(spec, tmp_path, note=lines.append).execution is not None
    assert unmeasured == ["measured"]
    assert len(lines) == 1
    assert "measuring" in lines[0]


def test_what_was_chosen_before_stays_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unmeasured: list[str]
) -> None:
    first = tiny_sweep(tmp_path, AXES, measure=True)
    write_plan(first)

    def measure() -> MachineProfile:
        unmeasured.append("again")
        return machine(products={"highest": {"gflops": 500.0, "error": 2e-7}}, lanes={"1": 5.0, "4": 8.0})

    monkeypatch.setattr(f"{PLAN}.machine_profile", measure)
    again = tiny_sweep(tmp_path, AXES, measure=True)
    assert again.execution == first.execution
    assert unmeasured == ["measured"]
    anew = tiny_sweep(tmp_path / "new", AXES, measure=True)
    assert anew.execution != first.execution, "a sweep without an earlier plan is measured for"
    assert unmeasured == ["measured", "again"]


@pytest.mark.usefixtures("measured")
def test_overrides_win_and_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    spec = SweepSpec(fixed=SIZES, grids=(Grid(AXES),))
    plan = make_plan(spec, tmp_path, overrides=Overrides(lanes=2), jobs=1)
    assert max(len(group.runs) for group in plan.groups) == 2
    with pytest.raises(InitlabError, match="no device 'cuda'"):
        make_plan(spec, tmp_path, overrides=Overrides(device="cuda"))


@pytest.mark.usefixtures("measured")
def test_a_target_or_else_a_hint(tmp_path: Path) -> None:
    plain = tiny_sweep(tmp_path, {"init": ["gpt2", "xavier"]})
    assert plain.scale_ups == ()
    assert plain.hint is not None
    aimed = tiny_sweep(tmp_path, {"init": ["gpt2", "xavier"]}, target={"n_embd": 64})
    assert aimed.hint is None
    assert [(row.init, row.offer) for row in aimed.scale_ups] == [("gpt2", "gpt2:std=0.04"), ("xavier", None)]
    write_plan(aimed)
    kept = tiny_sweep(tmp_path, {"init": ["gpt2", "xavier"]})
    assert kept.target == {"n_embd": 64}
    assert kept.scale_ups == aimed.scale_ups


def test_a_sweep_without_a_name_is_called_by_its_content() -> None:
    plan = tiny_sweep(None, {"seed": [0]})
    assert plan.name.startswith("sweep-")
    assert len(plan.name) == len("sweep-") + 8
    assert plan.name == tiny_sweep(None, {"seed": [0]}).name
    assert plan.name != tiny_sweep(None, {"seed": [1]}).name


def test_where_a_sweep_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SweepSpec(name="mine", fixed=SIZES, grids=(Grid({"seed": [0]}),))
    assert make_plan(spec, measure=False).folder.path == Path("results/mine")
    monkeypatch.setenv("INITLAB_OUT", str(tmp_path))
    assert make_plan(spec, measure=False).folder.path == tmp_path / "mine"
    assert make_plan(spec, tmp_path / "x", measure=False).folder.path == tmp_path / "x"
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InitlabError, match="is a file, not a folder"):
        make_plan(spec, tmp_path / "file", measure=False)


def test_the_document_names_every_run_and_where_it_stands(tmp_path: Path) -> None:
    first = tiny_sweep(tmp_path, AXES)
    finish(first, 0)
    document = tiny_sweep(tmp_path, AXES).document()
    assert list(document) == ["sweep", "path", "estimated_seconds", "runs"]
    assert document["path"] == str(tmp_path)
    assert [run["status"] for run in document["runs"]] == ["finished"] + ["missing"] * 5
    assert document["runs"][0] == {
        "id": first.runs[0].id,
        "init": "gpt2",
        "activation": "gelu",
        "seed": 0,
        "status": "finished",
        "axes": {},
    }


def test_a_folder_that_is_gone_was_planned_for_as_it_was(tmp_path: Path) -> None:
    """A plan is a value: what happens to the disk afterwards does not change it."""
    finish(tiny_sweep(tmp_path, {"seed": [0, 1]}), 0)
    plan = tiny_sweep(tmp_path, {"seed": [0, 1]})
    shutil.rmtree(tmp_path / "runs")
    assert missing(plan) == [1]
    assert plan.states[plan.runs[0].id].status == "finished"
    assert SweepFolder(tmp_path).run(plan.runs[0].id).state().status == "missing"
