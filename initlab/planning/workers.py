"""How many workers a sweep gets, how many lanes each has room for, and how long they will take."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from initlab.errors import InitlabError
from initlab.files.limits import MEMORY
from initlab.machine.capacity import computer_bytes
from initlab.machine.environment import available_cores
from initlab.planning.cost import COMPILED_TIME_SHARE, WORKER_BYTES, lane_bytes, run_seconds
from initlab.planning.expand import PlannedRun
from initlab.planning.memory import free_bytes

if TYPE_CHECKING:
    from initlab.planning.execution_plan import ExecutionPlan

SURELY_TOO_LARGE = 2
"""Times all the memory that there is, for a rough estimate of what one run needs: it cannot train here."""

START_SECONDS = 4.0
"""Importing torch in the workers."""


def worker_limit(jobs: int | None = None) -> int:
    """Return how many workers may run at once: ``jobs``, else what INITLAB_JOBS says, else one a core.

    Raises InitlabError for what is not a whole number from 1.
    """
    text = os.environ.get("INITLAB_JOBS") if jobs is None else str(jobs)
    if text is None:
        return available_cores()
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0):
        raise InitlabError(f"jobs: expected a whole number from 1 to 999999, got {text[:40]!r}")
    return int(text)


def worker_count(execution: "ExecutionPlan", runs: Sequence[PlannedRun], limit: int) -> int:
    """Return how many workers run at once: one a GPU, else ``limit``, or as many as memory has room for."""
    executions = [execution.execution_of(run) for run in runs]
    if any(one.device.startswith("cuda") for one in executions):
        return max(1, len(execution.machine.gpus))
    needs = [lane_bytes(run, fused=one.fused) for run, one in zip(runs, executions, strict=True)]
    largest = max(needs)
    if largest > SURELY_TOO_LARGE * computer_bytes():
        MEMORY.of(computer_bytes()).check(largest, f"training {runs[needs.index(largest)].entry.label}")
    return max(1, min(limit, free_bytes("cpu", execution.machine) // (WORKER_BYTES + largest)))


def lanes_within(execution: "ExecutionPlan", workers: int) -> Callable[[PlannedRun], int]:
    """Return a function of a run: how many lanes of its shape fit beside each other in one of ``workers`` workers."""

    def lanes(run: PlannedRun) -> int:
        chosen = execution.execution_of(run)
        if chosen.fills_lanes:
            return chosen.lanes
        on_gpu = chosen.device.startswith("cuda")
        room = free_bytes(chosen.device, execution.machine) // (1 if on_gpu else workers)
        return max(1, min(chosen.lanes, room // lane_bytes(run, fused=chosen.fused)))

    return lanes


def training_seconds(runs: Sequence[PlannedRun], workers: int, execution: "ExecutionPlan | None") -> float:
    """Return the estimated seconds of training, the start of the workers included.

    Without ``execution``, on a machine that nobody measured, by the rate of a usual one.
    """
    distinct = {run.id: run for run in runs}.values()  # two names of one law are trained once
    return START_SECONDS + sum(_seconds(run, execution) for run in distinct) / workers if distinct else 0.0


def _seconds(run: PlannedRun, execution: "ExecutionPlan | None") -> float:
    if execution is None:
        return run_seconds(run)
    chosen = execution.execution_of(run)
    rate = execution.machine.device(chosen.device)["products"][chosen.matmul_precision]["gflops"]
    seconds = run_seconds(run, flops_per_second=1e9 * rate)
    return seconds * (COMPILED_TIME_SHARE if chosen.compiled else 1)
