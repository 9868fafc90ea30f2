"""Runs a plan: hands lane groups to a launcher and returns what came out. The one place where plan and run meet.

The same plan made again resumes: a run is its content, so what is finished is never done twice.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from initlab.errors import InitlabError
from initlab.inits.fingerprint import plugin_code
from initlab.launchers.launcher import Event, Launcher, build_launcher
from initlab.launchers.task import Task, TaskRun, planned_probes
from initlab.machine.execution import Execution
from initlab.machine.profile import MachineProfile
from initlab.planning.expand import corpus_name
from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan
from initlab.planning.progress import Progress, RunOutcome, Silent
from initlab.planning.storage import write_plan
from initlab.plugins.loading import loaded_plugins
from initlab.results.reading import Results, load_results
from initlab.results.run_folder import DONE, STATUSES, RunResult, RunState, Status, forget_result, mark_failed


def run_plan(plan: Plan, progress: Progress | None = None) -> Results:
    """Store the plan, train what is missing of it, and return what came out, read from the store once.

    Raises KeyboardInterrupt with every run in flight marked interrupted, and InitlabError where the folder cannot be
    written, the plan's launcher is none, or the plan does not say how its runs are computed.
    """
    progress = progress or Silent()
    if not plan.missing:
        write_plan(plan)
        return load_results(plan.folder.path)
    if plan.execution is None:
        raise InitlabError("this plan was made without measuring the machine; make it again with measure=True")
    tasks = [task_of(plan, group, plan.execution.execution_of(group.runs[0])) for group in plan.groups]
    numbers = {task.runs[0].id: number for number, task in enumerate(tasks)}
    with _launcher(plan, tasks, plan.execution.machine) as launcher:  # workers need a second to import torch
        write_plan(plan)
        for run in plan.missing:
            forget_result(plan.folder.run(run.id).path)
        results: dict[str, RunResult] = {}
        try:
            progress.start()
            for event in launcher.run(tasks):
                _report(event, numbers[event.task.runs[0].id], plan, progress, results)
        finally:
            progress.stop()
    over = {run: result for run, result in results.items() if result[0].status in DONE}
    return load_results(plan.folder.path, over)


def current_counts(plan: Plan) -> dict[Status, int]:
    """Return how many of a plan's runs have each status now: where a sweep stands that was stopped, at any moment."""
    counter = Counter(plan.folder.run(run.id).state().status for run in plan.runs)
    return {status: counter[status] for status in STATUSES}


def _launcher(plan: Plan, tasks: Sequence[Task], machine: MachineProfile) -> Launcher:
    return build_launcher(plan.launcher, jobs=min(plan.workers, len(tasks)), gpus=_gpus(tasks, machine))


def _gpus(tasks: Sequence[Task], machine: MachineProfile) -> list[str]:
    """Return the GPUs that workers take one of each, by the numbers the user lets this process see."""
    device, colon, index = tasks[0].execution.device.partition(":")
    if device != "cuda":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = visible.split(",") if visible else [str(number) for number in range(len(machine.gpus))]
    return ([numbers[int(index)]] if colon else numbers)[: len(tasks)]


def _report(event: Event, number: int, plan: Plan, progress: Progress, results: dict[str, RunResult]) -> None:
    """Tell ``progress`` what happened; add to ``results`` those of the runs of a group that is done."""
    if event.kind == "step":
        progress.group_step(number, event.step, event.steps)
    elif event.kind == "note":
        progress.note(number, event.reason)
    elif event.kind == "done":
        done = {run.id: plan.folder.run(run.id).result() for run in plan.groups[number].runs}
        results.update(done)
        progress.group_done(number, [_outcome(run, *result) for run, result in done.items()])
    else:
        for run in event.runs:
            directory = plan.folder.run(run.id)
            if directory.state().status not in DONE:
                mark_failed(directory.path, event.reason)


def _outcome(run_id: str, state: RunState, summary: dict[str, Any] | None) -> RunOutcome:
    return RunOutcome(run_id, state.status, (summary or {}).get("val_loss"))


def task_of(plan: Plan, group: LaneGroup, execution: Execution) -> Task:
    """Return a lane group of a plan, computed so, as what a launcher runs."""
    base = plan.spec.path.parent if plan.spec.path else None
    runs = tuple(
        TaskRun(
            id=run.id,
            spec=run.spec.model_dump(),
            corpus=corpus_name(run.spec, base),
            corpus_sha256=run.corpus.sha256,
            laws=run.blueprint.digest,
            code=plugin_code(run.spec),
        )
        for run in group.runs
    )
    return Task(
        folder=str(plan.folder.path.absolute()),
        runs=runs,
        execution=execution,
        probes=planned_probes(),
        plugins=loaded_plugins(),
    )
