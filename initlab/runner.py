"""Runs what is missing of a sweep: plan, skip what the store has, train groups of lanes, store.

The same call again resumes: a run is its content, so what is finished is never done twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from initlab.environment import git_sha
from initlab.errors import InitlabError
from initlab.foresight import foresee, outlooks
from initlab.launchers.local import Event, LocalLauncher
from initlab.launchers.task import Task, TaskRun
from initlab.plan.expand import PlannedRun, corpus_name, expand, plugin_code
from initlab.plan.groups import LaneGroup, group_runs, run_seconds
from initlab.plan.source import SweepSource, to_toml
from initlab.plugins import loaded_plugins, plugin_probes
from initlab.predictions.stored import store_predictions
from initlab.spec import content_hash
from initlab.store.run import DONE, Status, mark_failed
from initlab.store.sweep import SweepFolder

Retry: TypeAlias = Literal["failed", "diverged", "none"]


class Progress(Protocol):
    """Is told how a sweep goes on. ``group`` counts from 0; ``cells`` names what a group trains."""

    def group_step(self, group: int, step: int, steps: int) -> None: ...

    def group_done(self, group: int) -> None: ...


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


def write_plan(sweep: Sweep) -> None:
    """Store the spec as given and as expanded, with the law table of every init at every size, and what theory
    expects of each network: before any is trained."""
    laws = {run.blueprint.digest: run.blueprint for run in sweep.runs}
    previous, foresight = sweep.folder.document(), foresee(sweep.runs)
    target = sweep.target or previous.get("target") or {}
    sweep.folder.write_plan(
        spec_text=to_toml(sweep.source),
        resolved={
            "runs": {run.id: run.spec.model_dump() for run in sweep.runs},
            "laws": {digest: blueprint.to_json() for digest, blueprint in laws.items()},
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


def estimate_seconds(runs: list[PlannedRun], jobs: int) -> float:
    """Return the estimated seconds of training, the start of the workers included."""
    return START_SECONDS + sum(run_seconds(run.spec, run.dims) for run in runs) / jobs if runs else 0.0


START_SECONDS = 4.0
"""Importing torch in the workers."""


def run_sweep(sweep: Sweep, *, jobs: int, retry: Retry, progress: Callable[[list[LaneGroup]], Progress]) -> None:
    """Train what is missing and store it. Raises KeyboardInterrupt with every run in flight marked interrupted."""
    write_plan(sweep)
    runs = missing_runs(sweep, retry)
    if not runs:
        return
    for run in runs:
        forget(sweep.folder, run.id)
    groups = group_runs(runs, jobs=jobs)
    tasks = [task_of(sweep, group) for group in groups]
    watcher = progress(groups)
    numbers = {task.runs[0].id: number for number, task in enumerate(tasks)}
    for event in LocalLauncher(min(jobs, len(tasks))).run(tasks):
        _report(event, numbers[event.task.runs[0].id], sweep, watcher)


def forget(folder: SweepFolder, run_id: str) -> None:
    """Take back a result that is to be had again, so that a worker does not skip it."""
    (folder.run(run_id).path / "summary.json").unlink(missing_ok=True)


def _report(event: Event, number: int, sweep: Sweep, progress: Progress) -> None:
    if event.kind == "step":
        progress.group_step(number, event.step, event.steps)
        return
    if event.kind == "lost":
        for run in event.task.runs:
            directory = sweep.folder.run(run.id)
            if directory.state().status not in DONE:
                mark_failed(directory.path, event.reason)
    progress.group_done(number)


def task_of(sweep: Sweep, group: LaneGroup) -> Task:
    """Return a lane group as what a launcher runs."""
    base = sweep.source.path.parent if sweep.source.path else None
    return Task(
        str(sweep.folder.path.absolute()),
        tuple(
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
        loaded_plugins(),
    )
