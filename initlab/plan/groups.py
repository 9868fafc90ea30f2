"""Which runs train together, and what they will cost."""

from collections import defaultdict
from dataclasses import dataclass

from initlab.laws import Dims
from initlab.plan.expand import PlannedRun
from initlab.spec import RunSpec

MAX_LANES = 4
"""More lanes leave a core's cache and gain nothing on a CPU; fewer lose less to a crash."""

FLOPS_PER_SECOND = 85e9
SECONDS_PER_ENTRY = 40e-9
"""One core of a 2024 server CPU: matrix products, and what a step costs per entry of the residual stream besides.
Measured with ``benchmarks/step.py``; an estimate, off by 2x on other machines."""


@dataclass(frozen=True)
class LaneGroup:
    """Runs of one shape, trained as lanes of one batched model."""

    runs: tuple[PlannedRun, ...]

    @property
    def seconds(self) -> float:
        return sum(run_seconds(run.spec, run.dims) for run in self.runs)


def group_runs(runs: list[PlannedRun], *, jobs: int) -> list[LaneGroup]:
    """Return lane groups, the most costly first, split finely enough to keep ``jobs`` workers busy to the end.

    How runs are grouped changes no number: a lane's result does not depend on its neighbours.
    """
    by_shape: dict[object, list[PlannedRun]] = defaultdict(list)
    for run in {run.id: run for run in runs}.values():
        by_shape[_shape(run)].append(run)
    share = sum(run_seconds(run.spec, run.dims) for run in runs) / (2 * jobs)
    groups = []
    for members in by_shape.values():
        lanes = max(1, min(MAX_LANES, int(share / run_seconds(members[0].spec, members[0].dims))))
        groups += [LaneGroup(tuple(members[i : i + lanes])) for i in range(0, len(members), lanes)]
    return sorted(groups, key=lambda group: -group.seconds)


def _shape(run: PlannedRun) -> object:
    """What lanes of one batched model must share; learning rates, schedules, seeds and inits are data."""
    train = run.spec.train
    return (
        run.blueprint.shape,
        run.spec.model.dropout,
        run.spec.activation,
        train.steps,
        train.batch_size,
        train.eval_interval,
        train.eval_batches,
        train.probe_interval,
        train.precision,
        train.optimizer,
    )


def run_flops(spec: RunSpec, dims: Dims) -> float:
    """Return the useful floating-point operations of one run's matrix products.

    Forward 2 per weight and token plus 4·T·C a layer for attention, backward twice that (PaLM, arXiv 2204.02311,
    appendix B).
    """
    matrices = dims.n_layer * (4 * dims.n_embd**2 + 2 * dims.n_embd * dims.ffn_hidden)
    matrices += dims.vocab_size * dims.n_embd
    forward = 2 * matrices + 4 * dims.n_layer * dims.block_size * dims.n_embd
    return forward * (3 * _train_tokens(spec) + _eval_tokens(spec))


def run_seconds(spec: RunSpec, dims: Dims) -> float:
    """Return the estimated seconds of one run on one core."""
    entries = dims.n_layer * dims.n_embd * (_train_tokens(spec) + _eval_tokens(spec) / 3)
    return run_flops(spec, dims) / FLOPS_PER_SECOND + entries * SECONDS_PER_ENTRY


def _train_tokens(spec: RunSpec) -> int:
    return (spec.train.steps + 1) * spec.train.batch_size * spec.model.block_size


def _eval_tokens(spec: RunSpec) -> int:
    train = spec.train
    evaluations = 0 if train.steps == 0 else 1 + -(-train.steps // train.eval_interval)
    return evaluations * train.eval_batches * train.batch_size * spec.model.block_size
