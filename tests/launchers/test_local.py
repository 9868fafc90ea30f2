"""Workers that start before there is a task: they end with the plan that failed, and one that died is replaced."""

from pathlib import Path

import pytest

from initlab.launchers.launcher import Event, LauncherContext
from initlab.launchers.local import LocalLauncher, Worker
from initlab.results.folder import SweepFolder
from tests.tiny import tiny_task


def test_workers_end_with_a_plan_that_failed() -> None:
    workers: list[Worker] = []

    def plan() -> None:
        with LocalLauncher(LauncherContext(jobs=2)) as launcher:
            workers.extend(launcher._workers)
            assert [worker._process.poll() for worker in workers] == [None, None]
            raise OSError("no room for the plan")

    with pytest.raises(OSError, match="no room for the plan"):
        plan()
    assert len(workers) == 2
    assert all(worker._process.poll() is not None for worker in workers)


@pytest.mark.parametrize("dies", [False, True])
def test_a_worker_that_died_before_its_first_task_is_replaced(dies: bool, tmp_path: Path) -> None:
    task = tiny_task(tmp_path, {"seed": [0, 1]})
    with LocalLauncher(LauncherContext(jobs=1)) as launcher:
        (first,) = launcher._workers
        if dies:
            first._process.kill()
            first._process.wait()
        events: list[Event] = list(launcher.run([task]))
        assert (first in launcher._workers) is not dies
    kinds = [event.kind for event in events if event.kind != "step"]
    assert kinds == (["note", "done"] if dies else ["done"])
    assert {SweepFolder(tmp_path).run(run.id).state().status for run in task.runs} == {"finished"}
