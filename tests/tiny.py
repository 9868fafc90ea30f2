"""The smallest sweep that trains: for tests of everything around training."""

from pathlib import Path
from typing import Any

from initlab.launchers.task import Task
from initlab.machine.execution import Execution
from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan, Retry, make_plan
from initlab.planning.storage import write_plan
from initlab.running import task_of
from initlab.spec.sweep import Grid, SweepSpec

SIZES = {
    "model.n_layer": 1,
    "model.n_head": 2,
    "model.n_embd": 16,
    "model.block_size": 8,
    "train.steps": 6,
    "train.batch_size": 2,
    "train.eval_batches": 1,
}
FLAGS = [
    *("--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "8"),
    *("--steps", "6", "--batch-size", "2", "--eval-batches", "1"),
]
RESULTS = ("metrics.jsonl", "layers.jsonl", "summary.json", "config.json")


def tiny_sweep(
    folder: Path | None,
    axes: dict[str, list[object]],
    *,
    jobs: int = 1,
    retry: Retry = "failed",
    measure: bool = False,
    target: dict[str, int] | None = None,
    **fixed: Any,
) -> Plan:
    """Return the plan of a sweep that trains in no time; to be run, it has to ``measure``."""
    spec = SweepSpec(fixed={**SIZES, **fixed}, grids=(Grid(axes),))
    return make_plan(spec, folder, jobs=jobs, retry=retry, measure=measure, target=target)


def tiny_task(folder: Path, axes: dict[str, list[object]]) -> Task:
    """Store the plan of a tiny sweep and return all its runs as one task, computed the same on every machine."""
    (task,) = tiny_tasks(folder, axes, together=10**6)
    return task


def tiny_tasks(folder: Path, axes: dict[str, list[object]], *, together: int, **fixed: Any) -> list[Task]:
    """Store the plan of a tiny sweep and return its runs as tasks of ``together`` runs each."""
    plan = tiny_sweep(folder, axes, **fixed)
    write_plan(plan)
    groups = [plan.runs[start : start + together] for start in range(0, len(plan.runs), together)]
    return [task_of(plan, LaneGroup(runs), Execution()) for runs in groups]


def stored_bytes(folder: Path) -> dict[str, bytes]:
    """Everything a sweep stores that must not depend on how it was run."""
    return {
        f"{run.name}/{name}": (run / name).read_bytes()
        for run in sorted((folder / "runs").iterdir())
        for name in RESULTS
    }
