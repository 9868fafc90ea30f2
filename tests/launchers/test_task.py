"""A task survives the trip to another process."""

import json

from initlab.launchers.task import Task, TaskProbe, TaskRun, planned_probes
from initlab.machine.execution import Execution
from initlab.probes.reductions import PROBES


def test_a_task_is_plain_data() -> None:
    run = TaskRun("abc", {"seed": 0}, "synthetic", "00", "11", ("wave 22",))
    task = Task(
        folder="results/x",
        runs=(run,),
        execution=Execution("cpu", "medium", 3, fused=True),
        probes=(TaskProbe(name="peak", tap="logits", code="peak 33"), *planned_probes()),
        plugins=("plugin.py",),
    )
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_a_task_names_every_probe_that_is_registered() -> None:
    assert [(probe.name, probe.tap, probe.code) for probe in planned_probes()] == [
        (name, probe.tap, None) for name, probe in PROBES.items()
    ]
    entry = PROBES.get("logit_var")
    with PROBES.temporarily("theirs", type(entry)(tap="logits", reduce=lambda x: x.mean(), summary="a test")):
        (last,) = planned_probes()[-1:]
        assert (last.name, last.tap) == ("theirs", "logits")
        assert last.code is not None
        assert last.code.startswith("tests ")
