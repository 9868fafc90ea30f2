"""A task survives the trip to another process."""

import json

from initlab.launchers.task import Task, TaskRun


def test_a_task_is_plain_data() -> None:
    task = Task("results/x", (TaskRun("abc", {"seed": 0}, "synthetic", "00", "11"),))
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
