"""Runs what is missing of a sweep: plan, skip what the store has, train groups of lanes, store.

The same call again resumes: a run is its content, so what is finished is never done twice.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from initlab.errors import InitlabError
from initlab.files.json import content_hash
from initlab.inits.fingerprint import plugin_code
from initlab.launchers.base import Event, build_launcher
from initlab.launchers.task import Task, TaskRun, planned_probes
from initlab.machine.environment import git_sha
from initlab.machine.execution import Execution, Overrides
from initlab.machine.profile import cached_profile, machine_profile
from initlab.planning.execution_plan import COMPILED_TIME_SHARE, ExecutionPlan, plan_execution
from initlab.planning.expand import PlannedRun, corpus_name, expand
from initlab.planning.groups import LaneGroup, group_runs, run_seconds
from initlab.planning.memory import WORKER_BYTES, free_bytes, lane_bytes
from initlab.planning.predicted import foresee, outlooks
from initlab.planning.source import SweepSource, to_toml
from initlab.plugins.loading import loaded_plugins
from initlab.predictions.records import store_predictions
from initlab.probes.reductions import plugin_probes
from initlab.results.folder import SweepFolder
from initlab.results.run import DONE, Status, mark_failed

Retry: TypeAlias = Literal["failed", "diverged", "none"]


class Progress(Protocol):
    """Is told how a sweep goes on. ``group`` counts from 0; ``cells`` names what a group trains."""

    def group_step(self, group: int, step: int, steps: int) -> None: ...

    def group_done(self, group: int) -> None: ...

    def note(self, group: int, text: str) -> None:
        """What happened to a group that a user should know."""


@dataclass(frozen=True)
class Sweep:
    """A planned sweep and its folder."""

    name: str
    source: SweepSource
    runs: list[PlannedRun]
    folder: SweepFolder
    target: dict[str, int] = field(default_factory=dict)
    """Sizes of the model that this one stands for, by name; none: those stored, if any."""

    def corpora(self) -> list[str]:
        """Describe the corpora its runs read, one line each."""
        return [corpus.describe() for corpus in dict.fromkeys(run.corpus for run in self.runs)]


def plan_sweep(source: SweepSource, out: Path | None, results: Path) -> Sweep:
    """Expand a sweep and say where it lives: ``out``, else ``results/<name>``.

    A sweep without a name is called ``sweep-`` and the first digits of its content's hash. Raises InitlabError for
    anything wrong in the spec.
    """
    runs = expand(source)
    name = source.name or "sweep-" + content_hash(sorted(run.id for run in runs), 8)
    folder = SweepFolder(out or results / name)
    if folder.path.exists() and not folder.path.is_dir():
        raise InitlabError(f"{folder.path} is a file, not a folder; -o takes the folder a sweep is stored in")
    return Sweep(name, source, runs, folder)


def execution_plan_for(sweep: Sweep, overrides: Overrides) -> ExecutionPlan:
    """Return how the sweep's runs are computed: as was chosen for it before on this machine, else as is fastest.

    The first time on a machine that takes a few seconds of measuring. Raises InitlabError for a device it lacks.
    """
    previous = ExecutionPlan.from_json(sweep.folder.resolved().get("execution"))
    return plan_execution(sweep.runs, previous.machine if previous else machine_profile(), overrides, previous)


def write_plan(sweep: Sweep, execution_plan: ExecutionPlan | None = None) -> None:
    """Store the spec as given and as expanded, the law table of every init at every size, how runs are computed, and
    what theory expects of each network: before any is trained.

    Without ``execution_plan`` the stored one stays.
    """
    laws = {run.blueprint.digest: run.blueprint for run in sweep.runs}
    execution = execution_plan.to_json() if execution_plan else sweep.folder.resolved().get("execution")
    previous, foresight = sweep.folder.document(), foresee(sweep.runs)
    target = sweep.target or previous.get("target") or {}
    sweep.folder.write_plan(
        spec_text=to_toml(sweep.source),
        resolved={
            "runs": {run.id: run.spec.model_dump() for run in sweep.runs},
            "laws": {digest: blueprint.to_json() for digest, blueprint in laws.items()},
            "execution": execution,
        },
        sweep={
            "name": sweep.name,
            "question": sweep.source.question,
            "created_at": previous.get("created_at", time.strftime("%Y-%m-%dT%H:%M:%S%z")),
            "git_sha": git_sha(),
            "plugin_probes": {**previous.get("plugin_probes", {}), **plugin_probes()},
            "predictions": foresight.keys,
            "target": target,
            "outlooks": [look.to_json() for look in outlooks(sweep.runs, target)] if target else [],
        },
        entries=[run.entry for run in sweep.runs],
    )
    store_predictions(sweep.folder.path, foresight.wanted)
    keep_claims(sweep)


def keep_claims(sweep: Sweep) -> None:
    """Copy the claims that stand beside the spec into the sweep's folder, where its report finds them."""
    beside = sweep.source.path.parent / "claims.toml" if sweep.source.path else None
    if beside is not None and beside.is_file():
        (sweep.folder.path / "claims.toml").write_bytes(beside.read_bytes())


def missing_runs(sweep: Sweep, retry: Retry) -> list[PlannedRun]:
    """Return the runs still to be trained. Finished ones never are; failed ones are unless ``retry`` is none."""
    skipped: dict[Status, bool] = {
        "finished": True,
        "diverged": retry != "diverged",
        "failed": retry == "none",
        "running": True,
    }
    return [run for run in sweep.runs if not skipped.get(sweep.folder.run(run.id).state().status, False)]


def estimate_seconds(runs: list[PlannedRun], jobs: int, execution_plan: ExecutionPlan | None = None) -> float:
    """Return the estimated seconds of training, the start of the workers included."""
    if not runs:
        return 0.0
    return START_SECONDS + sum(_seconds(run, execution_plan) for run in runs) / jobs


def _seconds(run: PlannedRun, execution_plan: ExecutionPlan | None) -> float:
    if execution_plan is None:
        return run_seconds(run.spec, run.dims)
    execution = execution_plan.execution_of(run)
    rate = execution_plan.machine.device(execution.device)["products"][execution.matmul_precision]["gflops"]
    seconds = run_seconds(run.spec, run.dims, flops_per_second=1e9 * rate)
    return seconds * (COMPILED_TIME_SHARE if execution.compiled else 1)


START_SECONDS = 4.0
"""Importing torch in the workers."""


def worker_count(execution_plan: ExecutionPlan, runs: list[PlannedRun], jobs: int) -> int:
    """Return how many workers run at once: one a GPU, else ``jobs``, or as many as memory has room for."""
    executions = [execution_plan.execution_of(run) for run in runs]
    if any(execution.device.startswith("cuda") for execution in executions):
        return max(1, len(execution_plan.machine.gpus))
    largest = max(
        lane_bytes(run.spec, run.dims, fused=execution.fused) for run, execution in zip(runs, executions, strict=True)
    )
    return max(1, min(jobs, free_bytes("cpu", execution_plan.machine) // (WORKER_BYTES + largest)))


def lanes_within(execution_plan: ExecutionPlan, jobs: int) -> Callable[[PlannedRun], int]:
    """Return how many lanes of a run's shape fit beside each other in one worker."""

    def lanes(run: PlannedRun) -> int:
        execution = execution_plan.execution_of(run)
        if execution.fills_lanes:
            return execution.lanes
        on_gpu = execution.device.startswith("cuda")
        room = free_bytes(execution.device, execution_plan.machine) // (1 if on_gpu else jobs)
        return max(1, min(execution.lanes, room // lane_bytes(run.spec, run.dims, fused=execution.fused)))

    return lanes


def run_sweep(
    sweep: Sweep,
    *,
    jobs: int,
    retry: Retry,
    progress: Callable[[list[LaneGroup]], Progress],
    execution_plan: ExecutionPlan | None = None,
    launcher: str = "local",
) -> None:
    """Train what is missing and store it; ``launcher`` names a registered one, as ``name`` or ``name:key=value``.

    Raises KeyboardInterrupt with every run in flight marked interrupted, and InitlabError for no such launcher.
    """
    runs = missing_runs(sweep, retry)
    execution_plan = execution_plan or (execution_plan_for(sweep, Overrides()) if runs else None)
    if not runs or execution_plan is None:
        write_plan(sweep, execution_plan)
        return
    jobs = worker_count(execution_plan, runs, jobs)
    groups = group_runs(
        runs,
        jobs=jobs,
        lanes=lanes_within(execution_plan, jobs),
        filled=lambda run: execution_plan.execution_of(run).fills_lanes,
    )
    tasks = [task_of(sweep, group, execution_plan.execution_of(group.runs[0])) for group in groups]
    numbers = {task.runs[0].id: number for number, task in enumerate(tasks)}
    # Workers need a second to import torch, in which the plan is written.
    with build_launcher(launcher, jobs=min(jobs, len(tasks)), gpus=_gpus(tasks)) as launched:
        write_plan(sweep, execution_plan)
        for run in runs:
            forget(sweep.folder, run.id)
        watcher = progress(groups)
        for event in launched.run(tasks):
            _report(event, numbers[event.task.runs[0].id], sweep, watcher)


def _gpus(tasks: list[Task]) -> list[str]:
    """Return the GPUs that workers take one of each, by the numbers the user lets this process see."""
    if not tasks[0].execution.device.startswith("cuda"):
        return []
    _, colon, one = tasks[0].execution.device.partition(":")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cached = cached_profile()
    known = visible.split(",") if visible else [str(n) for n in range(len(cached.gpus) if cached else 1)]
    chosen = [known[int(one)]] if colon else known
    return chosen[: len(tasks)]


def forget(folder: SweepFolder, run_id: str) -> None:
    """Take back a result that is to be had again, so that a worker does not skip it."""
    (folder.run(run_id).path / "summary.json").unlink(missing_ok=True)


def _report(event: Event, number: int, sweep: Sweep, progress: Progress) -> None:
    if event.kind == "step":
        progress.group_step(number, event.step, event.steps)
    elif event.kind == "note":
        progress.note(number, event.reason)
    elif event.kind == "done":
        progress.group_done(number)
    else:
        for run in event.runs:
            directory = sweep.folder.run(run.id)
            if directory.state().status not in DONE:
                mark_failed(directory.path, event.reason)


def task_of(sweep: Sweep, group: LaneGroup, execution: Execution | None = None) -> Task:
    """Return a lane group as what a launcher runs."""
    base = sweep.source.path.parent if sweep.source.path else None
    return Task(
        folder=str(sweep.folder.path.absolute()),
        runs=tuple(
            TaskRun(
                id=run.id,
                spec=run.spec.model_dump(),
                corpus=corpus_name(run.spec, base),
                corpus_sha256=run.corpus.sha256,
                laws=run.blueprint.digest,
                code=plugin_code(run.spec),
            )
            for run in group.runs
        ),
        execution=execution or Execution(),
        probes=planned_probes(),
        plugins=loaded_plugins(),
    )
