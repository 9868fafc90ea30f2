"""A task trains into the store, and one lane's failure never costs the others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from initlab.activations.functions import ACTIVATIONS, Activation
from initlab.engine.group import Group
from initlab.errors import Stopped
from initlab.launchers.task import Task
from initlab.launchers.train import out_of_memory, train_task
from initlab.machine.execution import Execution
from initlab.results.run_folder import RunState
from initlab.store.lock import acquire
from tests.tiny import tiny_task


def _ignore(step: int, steps: int) -> None:
    return


def _states(folder: Path, task: Task) -> list[RunState]:
    from initlab.results.folder import SweepFolder

    return [SweepFolder(folder).run(run.id).state() for run in task.runs]


def test_every_lane_is_stored_with_its_rows(tmp_path: Path) -> None:
    from initlab.results.folder import SweepFolder

    task = tiny_task(tmp_path, {"seed": [0, 1]})
    train_task(task, _ignore)
    assert [state.status for state in _states(tmp_path, task)] == ["finished", "finished"]
    run = SweepFolder(tmp_path).run(task.runs[0].id)
    assert [row["step"] for row in run.metrics()] == list(range(7))
    assert [row["step"] for row in run.layers()] == [0, 1, 2, 5, 6]


def test_one_failing_lane_is_stored_as_failed_and_its_neighbours_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny_task(tmp_path, {"seed": [0, 1, 2]})
    broken = task.runs[1].spec["seed"]

    def group(specs: list[object], corpora: list[object], execution: Execution, **more: object) -> object:
        if any(getattr(spec, "seed") == broken for spec in specs):  # noqa: B009 - typed as object here
            raise ValueError("planted")
        return Group(specs, corpora, execution, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("initlab.launchers.train.Group", group)
    train_task(task, _ignore)
    states = _states(tmp_path, task)
    assert [state.status for state in states] == ["finished", "failed", "finished"]
    assert states[1].reason == "ValueError: planted"
    assert "Traceback" in (tmp_path / "runs" / task.runs[1].id / "log.txt").read_text()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
)
def test_a_group_that_does_not_fit_is_trained_in_halves_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    task = tiny_task(tmp_path, {"seed": [0, 1, 2, 3, 4]})
    sizes: list[int] = []

    def group(specs: list[object], corpora: list[object], execution: Execution, **more: object) -> object:
        sizes.append(len(specs))
        if len(specs) > 2:
            raise error
        return Group(specs, corpora, execution, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("initlab.launchers.train.Group", group)
    notes: list[str] = []
    train_task(task, _ignore, notes.append)
    assert [state.status for state in _states(tmp_path, task)] == ["finished"] * 5
    assert sizes == [5, 2, 3, 1, 2]
    assert len(notes) == 2
    assert notes[0].startswith("5 lanes together: ")
    assert notes[0].endswith("training them in 2 parts")


def test_half_of_a_group_that_is_filled_up_needs_half_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = replace(tiny_task(tmp_path, {"seed": [0, 1, 2]}), execution=Execution(lanes=4, compiled=True))
    lanes: list[tuple[int, int]] = []

    def group(specs: list[object], corpora: list[object], execution: Execution, **more: object) -> object:
        lanes.append((len(specs), execution.lanes))
        raise MemoryError("no room")

    monkeypatch.setattr("initlab.launchers.train.Group", group)
    train_task(task, _ignore)
    assert lanes == [(3, 4), (1, 2), (2, 2), (1, 2), (1, 2)]


def test_a_run_that_does_not_fit_alone_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_task(tmp_path, {"seed": [0, 1]})

    def group(specs: list[object], corpora: list[object], execution: Execution, **more: object) -> object:
        raise MemoryError("no room")

    monkeypatch.setattr("initlab.launchers.train.Group", group)
    train_task(task, _ignore)
    assert [(state.status, state.reason) for state in _states(tmp_path, task)] == [
        ("failed", "MemoryError: no room")
    ] * 2


def test_other_errors_are_not_about_memory() -> None:
    assert not out_of_memory(RuntimeError("planted"))
    assert not out_of_memory(ValueError("not enough memory"))


def test_what_was_used_is_stored_with_the_run(tmp_path: Path) -> None:
    task = replace(tiny_task(tmp_path, {"seed": [0]}), execution=Execution("cpu", "medium", 2))
    train_task(task, _ignore)
    env = json.loads((tmp_path / "runs" / task.runs[0].id / "env.json").read_text())
    assert Execution.from_json(env["execution"]) == task.execution
    assert (env["device"], env["precision"]) == ("cpu", "float32")


def test_a_stop_marks_what_was_in_flight(tmp_path: Path) -> None:
    task = tiny_task(tmp_path, {"seed": [0]})

    def stop(step: int, steps: int) -> None:
        raise Stopped("stopped by the user")

    with pytest.raises(Stopped):
        train_task(task, stop)
    (state,) = _states(tmp_path, task)
    assert (state.status, state.reason) == ("interrupted", "stopped by the user")


def test_ctrl_c_where_no_process_stands_between_marks_what_was_in_flight(tmp_path: Path) -> None:
    task = tiny_task(tmp_path, {"seed": [0]})

    def interrupt(step: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_task(task, interrupt)
    (state,) = _states(tmp_path, task)
    assert (state.status, state.reason) == ("interrupted", "KeyboardInterrupt")
    train_task(task, _ignore)
    assert [state.status for state in _states(tmp_path, task)] == ["finished"]


def test_finished_runs_and_runs_in_other_hands_are_left_alone(tmp_path: Path) -> None:
    task = tiny_task(tmp_path, {"seed": [0, 1]})
    train_task(replace(task, runs=task.runs[:1]), _ignore)
    before = (tmp_path / "runs" / task.runs[0].id / "status.json").read_bytes()
    other = tmp_path / "runs" / task.runs[1].id
    other.mkdir(parents=True)
    assert acquire(other / ".lock") is not None
    train_task(task, _ignore)
    assert (tmp_path / "runs" / task.runs[0].id / "status.json").read_bytes() == before
    assert not (other / "summary.json").exists()


def test_a_corpus_that_changed_since_planning_fails_the_run(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog " * 20)
    task = tiny_task(tmp_path / "x", {"data.corpus": [str(text)]})
    text.write_text("something else entirely, and long enough to be read in blocks " * 20)
    train_task(task, _ignore)
    (state,) = _states(tmp_path / "x", task)
    assert state.status == "failed"
    assert state.reason is not None
    assert "changed after the sweep was planned" in state.reason


def test_an_activation_that_raises_fails_by_name(tmp_path: Path) -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("no such function")

    with ACTIVATIONS.temporarily("broken", Activation(broken, "?", "a test")):
        task = tiny_task(tmp_path, {"activation": ["broken"]})
        train_task(task, _ignore)
    assert _states(tmp_path, task)[0].reason == "RuntimeError: no such function"
