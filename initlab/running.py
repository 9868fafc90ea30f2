"""Runs a plan: hands lane groups to a launcher and returns what came out. The one place where plan and run meet.

The same plan made again resumes: a run is its content, so what is finished is never done twice.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from initlab.errors import InitlabError
from initlab.inits.fingerprint import plugin_code
from initlab.launchers.launcher import Event, Launcher, build_launcher
from initlab.launchers.task import Task, TaskRun, planned_probes
from initlab.machine.execution import Execution
from initlab.machine.profile import MachineProfile
from initlab.planning.expand import PlannedRun, corpus_name
from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan, grouped
from initlab.planning.progress import Progress, RunOutcome, Silent
from initlab.planning.storage import write_plan
from initlab.plugins.loading import loaded_plugins
from initlab.results.litter import clear_litter
from initlab.results.quarantine import set_aside, set_run_aside, set_status_aside
from initlab.results.reading import Results, load_results
from initlab.results.run_folder import forget_result, mark_failed, owned
from initlab.results.verification import damaged_environments
from initlab.store.heartbeat import HeartbeatWatch, waiting_lines
from initlab.store.run_reading import LOCK
from initlab.store.run_state import DONE, STATUSES, UNSOUND, RunResult, RunState, Status

MOST_TRIES = 3
"""How often a run is handed out whose workers leave it without a result or a reason."""

POLL_SECONDS = 0.5
"""Between two looks at the runs that other processes train."""


class TooManyFailures(Exception):
    """So many runs have failed as the caller wanted to see at most."""


def run_plan(
    plan: Plan, progress: Progress | None = None, *, wait: bool = True, max_failures: int | None = None
) -> Results:
    """Store the plan, train what is missing of it, and return what came out, read from the store once.

    Runs that another process trains are waited for, and trained here where it dies, unless not to ``wait``. Once
    ``max_failures`` runs have failed the rest is left. Raises KeyboardInterrupt with every run in flight marked
    interrupted, and InitlabError where the folder cannot be written, the plan's launcher is none, or the plan does
    not say how its runs are computed.
    """
    progress = progress or Silent()
    if not plan.missing and not plan.held:
        _store_again(plan)
        return _sound(load_results(plan.folder.path))
    if plan.execution is None:
        raise InitlabError("this plan was made without measuring the machine; make it again with measure=True")
    training = _Training(plan, progress, max_failures)
    try:
        if plan.missing:
            training.train(plan.groups, progress.start, lambda: _prepare(plan))
        else:
            _prepare(plan)
            progress.start()
        if wait:
            _wait_for_others(plan, training, progress)
    except TooManyFailures:
        pass
    finally:
        progress.stop()
    over = {run: result for run, result in training.results.items() if result[0].status in DONE}
    return _sound(load_results(plan.folder.path, over))


def _sound(results: Results) -> Results:
    """Put runs into quarantine that turn out to be damaged when they are read: the next sweep trains them again."""
    for run in results.runs:
        if run.status == "damaged":
            with suppress(InitlabError):  # of a disk that takes nothing: they are named all the same
                set_run_aside(results.path, run.id, str(run.state.reason))
    for path, reason in damaged_environments(results):
        with suppress(InitlabError):
            set_aside(results.path, path, reason)
    return results


def _store_again(plan: Plan) -> None:
    """Store the plan of a sweep that is complete; it is one on a disk that takes nothing, too."""
    try:
        _set_damaged_aside(plan)
        write_plan(plan)
        clear_litter(plan.folder.path)
    except InitlabError:
        if not (plan.folder.path / "sweep.json").is_file():
            raise


def _prepare(plan: Plan) -> None:
    """Store the plan and clear the way for its missing runs: nothing that is damaged is deleted."""
    _set_damaged_aside(plan)
    write_plan(plan)
    clear_litter(plan.folder.path)
    for run in {run.id: run for run in plan.missing}.values():
        if plan.states[run.id].status in DONE:
            forget_result(plan.folder.run(run.id).path)


def _set_damaged_aside(plan: Plan) -> None:
    folder = plan.folder.path
    for name, reason in plan.earlier.damaged.items():
        set_aside(folder, folder / name, reason)
    for run_id, state in plan.states.items():
        if state.status == "damaged":
            set_run_aside(folder, run_id, str(state.reason))
        elif state.notes and state.status in DONE:
            set_status_aside(folder, run_id, state.notes[0])


class _Training:
    """Hands groups to launchers and keeps what became of their runs."""

    def __init__(self, plan: Plan, progress: Progress, max_failures: int | None) -> None:
        self.results: dict[str, RunResult] = {}
        self._plan, self._progress, self._most = plan, progress, max_failures
        self._groups = 0

    def train(self, groups: Sequence[LaneGroup], *starting: Callable[[], None]) -> None:
        """Train groups, numbered on from those before; raises TooManyFailures."""
        plan = self._plan
        assert plan.execution is not None
        tasks = [task_of(plan, group, plan.execution.execution_of(group.runs[0])) for group in groups]
        first = self._groups
        self._groups += len(groups)
        numbers = {task.runs[0].id: number for number, task in enumerate(tasks)}
        with _launcher(plan, tasks, plan.execution.machine) as launcher:  # workers need a second to import torch
            for start in reversed(starting):
                start()
            for event in launcher.run(tasks):
                number = numbers[event.task.runs[0].id]
                _report(event, number, groups, plan, self._told(first), self.results)
                self._count_failures()

    def _told(self, first: int) -> Progress:
        """Return whom to tell of groups: those of the plan, not those that others left."""
        return self._progress if first == 0 and self._plan.missing else Silent()

    def _count_failures(self) -> None:
        failed = sum(state.status == "failed" for state, _ in self.results.values())
        if self._most is not None and failed >= self._most:
            raise TooManyFailures


def _wait_for_others(plan: Plan, training: _Training, progress: Progress) -> None:
    """Wait for the runs that other processes train, and train those they leave."""
    watch, tries = HeartbeatWatch(), Counter[str]()
    pending = {run.id: run for run in (*plan.missing, *plan.held)}
    said: list[str] = []
    while True:
        for run_id, (state, _) in training.results.items():
            if state.status not in ("running", "interrupted", "missing"):
                pending.pop(run_id, None)
        locks = {run_id: plan.folder.run(run_id).path / LOCK for run_id in pending}
        held = watch.look(locks.values())
        for path, found in list(held.items()):
            if watch.silent(path, found):
                with owned(path.parent, {found.token}):
                    held.pop(path)
        free = [run for run_id, run in pending.items() if locks[run_id] not in held]
        _train_free(plan, training, free, tries)
        pending = {run.id: run for run in pending.values() if tries[run.id] < MOST_TRIES}
        if not pending:
            return
        if not free:
            lines = waiting_lines(held.values())
            if lines != said:
                progress.waiting(said := lines)
            time.sleep(POLL_SECONDS)


def _train_free(plan: Plan, training: _Training, free: Sequence[PlannedRun], tries: Counter[str]) -> None:
    """Read what others have finished, and train what nobody has."""
    for run in free:
        training.results[run.id] = plan.folder.run(run.id).result()
        state = training.results[run.id][0]
        if state.status == "damaged":
            set_run_aside(plan.folder.path, run.id, str(state.reason))
            training.results[run.id] = (RunState("missing"), None)
    left = [run for run in free if training.results[run.id][0].status in ("interrupted", "missing")]
    tries.update(run.id for run in left)
    if left:
        assert plan.execution is not None
        training.train(grouped(left, plan.execution, plan.workers))


def current_counts(plan: Plan) -> dict[Status, int]:
    """Return how many of a plan's runs have each status now: where a sweep stands that was stopped, at any moment."""
    counter = Counter(plan.folder.run(run.id).state().status for run in plan.runs)
    return {status: counter[status] for status in (*STATUSES, *UNSOUND)}


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


def _report(
    event: Event,
    number: int,
    groups: Sequence[LaneGroup],
    plan: Plan,
    progress: Progress,
    results: dict[str, RunResult],
) -> None:
    """Tell ``progress`` what happened; add to ``results`` those of the runs of a group that is done."""
    if event.kind == "step":
        progress.group_step(number, event.step, event.steps)
    elif event.kind == "note":
        progress.note(number, event.reason)
    elif event.kind == "done":
        done = {run.id: plan.folder.run(run.id).result() for run in groups[number].runs}
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
