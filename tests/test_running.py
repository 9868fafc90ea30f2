"""A plan that runs trains what is missing, and how it is run changes no byte."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.machine.profile import MachineProfile
from initlab.planning.plan import Plan
from initlab.planning.progress import RunOutcome
from initlab.results.run_folder import mark_failed
from initlab.running import run_plan
from tests.tiny import FLAGS, stored_bytes, tiny_sweep

AXES: dict[str, list[object]] = {"init": ["gpt2", "pytorch"], "activation": ["gelu", "relu"], "seed": [0, 1, 2]}


class Watcher:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.outcomes: dict[int, list[RunOutcome]] = {}

    def start(self) -> None:
        self.calls.append("start")

    def group_step(self, group: int, step: int, steps: int) -> None:
        assert 0 <= step <= steps

    def note(self, group: int, text: str) -> None:
        raise AssertionError(text)

    def group_done(self, group: int, outcomes: Sequence[RunOutcome]) -> None:
        self.calls.append("done")
        self.outcomes[group] = list(outcomes)

    def waiting(self, lines: Sequence[str]) -> None:
        raise AssertionError(lines)

    def stop(self) -> None:
        self.calls.append("stop")


def planned(folder: Path, jobs: int = 1, axes: dict[str, list[object]] = AXES) -> Plan:
    return tiny_sweep(folder, axes, jobs=jobs, measure=True)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "straight"
    plan, watcher = planned(folder, jobs=2), Watcher()
    results = run_plan(plan, watcher)
    assert results.path == folder
    assert watcher.calls == ["start", *["done"] * len(plan.groups), "stop"]
    for number, outcomes in watcher.outcomes.items():
        assert [outcome.id for outcome in outcomes] == [run.id for run in plan.groups[number].runs]
        assert {outcome.status for outcome in outcomes} == {"finished"}
        assert all(outcome.val_loss is not None and 2 < outcome.val_loss < 6 for outcome in outcomes), "log 64 is 4.2"
    return folder


@pytest.mark.parametrize("jobs", [1, 4])
def test_jobs_and_lanes_change_no_byte(jobs: int, straight: Path, tmp_path: Path) -> None:
    run_plan(planned(tmp_path / "other", jobs))
    stored = stored_bytes(straight)
    assert len(stored) == 12 * 4
    assert stored_bytes(tmp_path / "other") == stored


def test_a_resumed_sweep_is_computed_as_it_began_whatever_was_measured_since(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "part"
    shutil.copytree(straight, folder)
    before = planned(folder)
    chosen = before.folder.resolved()["execution"]
    shutil.rmtree(folder / "runs" / before.runs[0].id)

    def measure() -> MachineProfile:
        raise AssertionError("measured again")

    monkeypatch.setattr("initlab.planning.plan.machine_profile", measure)
    monkeypatch.setattr("initlab.planning.plan.cached_profile", lambda: None)
    run_plan(planned(folder))
    assert before.folder.resolved()["execution"] == chosen
    assert stored_bytes(folder) == stored_bytes(straight)
    with pytest.raises(AssertionError, match="measured again"):
        planned(tmp_path / "new")


def test_a_resumed_sweep_trains_what_is_missing_alone_and_ends_the_same(straight: Path, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    shutil.copytree(straight, folder)
    ids = [run.id for run in planned(folder).runs]
    shutil.rmtree(folder / "runs" / ids[0])
    (folder / "runs" / ids[1] / "summary.json").unlink()
    with (folder / "runs" / ids[1] / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "torn')
    mark_failed(folder / "runs" / ids[2], "planted")
    (folder / "runs" / ids[2] / "summary.json").unlink()
    untouched = (folder / "runs" / ids[3] / "status.json").read_bytes()
    plan = planned(folder)
    assert {run.id for run in plan.missing} == set(ids[:3])
    assert {run.id for run in tiny_sweep(folder, AXES, retry="none").missing} == set(ids[:2])
    run_plan(plan)
    assert stored_bytes(folder) == stored_bytes(straight)
    assert (folder / "runs" / ids[3] / "status.json").read_bytes() == untouched
    watcher = Watcher()
    run_plan(planned(folder), watcher)
    assert watcher.calls == [], "nothing is left to do"


def test_a_longer_axis_trains_the_new_cells_alone(straight: Path, tmp_path: Path) -> None:
    shutil.copytree(straight, tmp_path / "more")
    more = tiny_sweep(tmp_path / "more", {**AXES, "seed": [0, 1, 2, 3]})
    assert {run.spec.seed for run in more.missing} == {3}


def test_diverged_runs_are_trained_again_when_asked_for(tmp_path: Path) -> None:
    axes: dict[str, list[object]] = {"seed": [0], "train.lr": [1e30]}
    run_plan(planned(tmp_path, axes=axes))
    (run,) = planned(tmp_path, axes=axes).runs
    assert planned(tmp_path, axes=axes).states[run.id].status == "diverged"
    before = (tmp_path / "runs" / run.id / "status.json").read_bytes()
    watcher = Watcher()
    run_plan(tiny_sweep(tmp_path, axes, retry="diverged", measure=True), watcher)
    assert [outcome.status for outcome in watcher.outcomes[0]] == ["diverged"]
    assert (tmp_path / "runs" / run.id / "status.json").read_bytes() != before


def test_a_plan_that_measured_nothing_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initlab.planning.plan.cached_profile", lambda: None)
    with pytest.raises(InitlabError, match="measure=True"):
        run_plan(tiny_sweep(tmp_path / "x", {"seed": [0]}))
    assert not (tmp_path / "x").exists()


def test_progress_stops_when_a_sweep_is_stopped(tmp_path: Path) -> None:
    class Impatient(Watcher):
        def start(self) -> None:
            super().start()
            raise KeyboardInterrupt

    watcher = Impatient()
    with pytest.raises(KeyboardInterrupt):
        run_plan(planned(tmp_path, axes={"seed": [0]}), watcher)
    assert watcher.calls == ["start", "stop"]


def test_a_sweep_runs_in_any_thread(tmp_path: Path) -> None:
    """As a notebook's or a server's may; asking for signals there is an error of Python's."""
    plan, ended = planned(tmp_path, axes={"seed": [0]}), list[object]()

    def work() -> None:
        try:
            ended.append(run_plan(plan))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    (result,) = ended
    assert not isinstance(result, BaseException), result
    assert planned(tmp_path, axes={"seed": [0]}).missing == ()


SCRIPT = """
from pathlib import Path
from initlab.planning.plan import make_plan
from initlab.planning.progress import LineProgress
from initlab.planning.requested import requested_spec
from initlab.running import run_plan

with Path("executed.txt").open("a") as file:
    file.write("once\\n")
sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 8}
train = {"steps": 6, "batch_size": 2, "eval_batches": 1}
axes = {**{f"model.{k}": [v] for k, v in sizes.items()}, **{f"train.{k}": [v] for k, v in train.items()}}
plan = make_plan(requested_spec(axes=axes), Path("out"), jobs=2)
run_plan(plan, LineProgress(plan, print))
"""


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """Workers are processes of their own that import initlab, never the script whose sweep they train."""
    (tmp_path / "study.py").write_text(SCRIPT)
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "study.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "executed.txt").read_text() == "once\n"
    assert len(list((tmp_path / "out" / "runs").glob("*/summary.json"))) == 3
    assert "group 1 of" in done.stdout
    assert done.stderr == ""


COUNTED = """
import json, sys
from collections import Counter
from pathlib import Path

folder, *arguments = sys.argv[1:]
opened, started = Counter(), []


def hook(event, details):
    if event == "open" and not started and isinstance(details[0], str | Path):
        path = Path(details[0])
        if path.is_absolute() and path.is_relative_to(folder):
            opened[str(path.relative_to(folder))] += isinstance(details[1], str) and "r" in details[1]


from initlab.cli.main import app
from initlab.api.display import PlainProgress

PlainProgress.start = lambda progress: started.append(progress)
if "again" in sys.argv[1:]:
    import initlab.cli.sweep as command

    command.announce = lambda console, plan: [run for run in plan.runs if plan.folder.run(run.id).state()]
arguments = [argument for argument in arguments if argument != "again"]
sys.addaudithook(hook)
try:
    app(arguments)
finally:
    Path("opened.json").write_text(json.dumps({"opened": opened, "started": len(started)}))
"""


def _opened(folder: Path, *arguments: str) -> dict[str, int]:
    """Return how often ``initlab sweep`` opened each file of its folder to read it, until workers get their tasks."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, str(folder), "sweep", *FLAGS, "-o", str(folder), *arguments],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    counted = json.loads((folder.parent / "opened.json").read_text())
    assert counted["started"] == 1
    return {name: number for name, number in counted["opened"].items() if number}


def test_the_store_is_asked_once_what_is_there(tmp_path: Path) -> None:
    """From the command to the first step; workers, which are other processes, look at their own runs."""
    folder = tmp_path / "x"
    arguments = ("--init", "depth-scaled,nanogpt,gpt2", "--seeds", "2", "--jobs", "1")  # the first two are one law
    opened = _opened(folder, *arguments)
    assert set(opened.values()) == {1}, opened
    runs = sorted(path.name for path in (folder / "runs").iterdir())
    assert len(runs) == 4
    assert {name.split("/")[1] for name in opened if name.startswith("runs/")} == set(runs)
    shutil.rmtree(folder / "runs" / runs[0])
    (folder / "runs" / runs[1] / "summary.json").unlink()
    opened = _opened(folder, *arguments)
    assert {f"runs/{run}/summary.json" for run in runs[2:]} < set(opened), "what is there was looked at"
    assert set(opened.values()) == {1}, opened


def test_a_second_look_at_a_run_would_be_counted(tmp_path: Path) -> None:
    opened = _opened(tmp_path / "x", "--seeds", "1", "--jobs", "1", "again")
    (run,) = (path.name for path in (tmp_path / "x" / "runs").iterdir())
    assert opened[f"runs/{run}/summary.json"] == 2
    assert opened["sweep.json"] == 1


COUNTED_TO_THE_REPORT = """
import json, sys
from collections import Counter
from pathlib import Path

folder, twin, *arguments = sys.argv[1:]
opened, ended = Counter(), []


def hook(event, details):
    if event == "open" and ended and isinstance(details[0], str | Path):
        path = Path(details[0])
        if path.is_absolute() and path.is_relative_to(folder):
            opened[str(path.relative_to(folder))] += isinstance(details[1], str) and "r" in details[1]


import initlab.running as running
from initlab.cli.main import app

report, load = running._report, running.load_results


def noted(event, *rest):
    if event.kind == "done":
        ended.append(event)
    report(event, *rest)


running._report = noted
if twin == "forgetful":
    running.load_results = lambda path, known=None: load(path)
sys.addaudithook(hook)
try:
    app(arguments)
finally:
    Path("opened.json").write_text(json.dumps({"opened": opened, "ended": len(ended)}))
"""

RUN_FILES = ("summary.json", "status.json", "metrics.jsonl", "layers.jsonl")


@pytest.mark.parametrize(("twin", "times"), [("as it is", {1}), ("forgetful", {1, 2})])
def test_from_the_last_step_to_the_report_every_file_of_a_run_is_opened_once(
    twin: str, times: set[int], tmp_path: Path
) -> None:
    """Progress, table, JSON and report share one reading; the negative twin forgets what progress has read."""
    folder = tmp_path / "x"
    command = ("sweep", *FLAGS, "-o", str(folder), "--init", "gpt2", "--seeds", "2", "--jobs", "1")
    done = subprocess.run(
        [sys.executable, "-c", COUNTED_TO_THE_REPORT, str(folder), twin, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "report" / "index.html").is_file()
    counted = json.loads((tmp_path / "opened.json").read_text())
    assert counted["ended"]
    opened = {name: number for name, number in counted["opened"].items() if name.endswith(RUN_FILES) and number}
    own = {name: number for name, number in opened.items() if name.startswith("runs/")}
    assert len(own) == 2 * len(RUN_FILES)
    assert set(own.values()) == times
