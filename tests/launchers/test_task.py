"""A task survives the trip to another process."""

import json

from initlab.launchers.task import Task, TaskRun
from initlab.machine.execution import Execution


def test_a_task_is_plain_data() -> None:
    run = TaskRun("abc", {"seed": 0}, "synthetic", "00", "11")
    task = Task("results/x", (run,), Execution("cpu", "medium", 3, fused=True), ("plugin.py",))
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
