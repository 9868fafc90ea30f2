"""How each shape of a sweep is computed, chosen from what the machine was measured to do.

The plan is made once for a sweep and stored with it: results depend on it by rounding, so a sweep that is resumed, or
run on another number of workers, must not be planned again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from initlab.machine.execution import Execution, MatmulPrecision, Overrides
from initlab.machine.profile import MachineProfile, machine_key
from initlab.planning.cost import lane_bytes, run_seconds
from initlab.planning.expand import PlannedRun
from initlab.planning.groups import shape_of
from initlab.planning.memory import free_bytes

MAX_LANES = {"cpu": 16, "cuda": 1024}
"""More gain nothing on a CPU, and lose more to a crash; a GPU takes what its memory holds."""

ONE_LANE_MARGIN = 0.95
"""One lane is preferred to several only where it is faster by more than measurements scatter."""

SMALLEST_MATMUL = 16**3
"""torch leaves products of up to so many multiplications, a batch of them counted together, to MKL whatever the path
(mkldnn/Matmul.cpp, checksize). A lane's own must be above it: else its path would depend on the lanes beside it."""

COMPILE_SECONDS = 17.0, 2.5
"""What torch.compile takes for a training step: once, and again for every block (4 layers: 25 s were measured)."""
COMPILED_TIME_SHARE = 0.8
"""Of the time of a step that is not compiled, on a CPU: 0.76 was measured with four lanes, 0.86 with one."""


@dataclass(frozen=True)
class ExecutionPlan:
    """The machine a sweep was planned for, and the execution of every shape in it."""

    machine: MachineProfile
    executions: Mapping[str, Execution]
    """By ``initlab.planning.groups.shape_of``."""

    def to_json(self) -> dict[str, Any]:
        shapes = {shape: execution.to_json() for shape, execution in self.executions.items()}
        return {"machine": self.machine.to_json(), "shapes": shapes}

    @classmethod
    def from_json(cls, document: Any) -> "ExecutionPlan | None":
        """Return the stored plan, None where it is of another machine or cannot be read."""
        if not isinstance(document, dict):
            return None
        machine = MachineProfile.from_json(document.get("machine"))
        if machine is None or machine.key != machine_key():
            return None
        try:
            return cls(machine, {shape: Execution.from_json(e) for shape, e in document["shapes"].items()})
        except (KeyError, TypeError, AttributeError):
            return None

    def execution_of(self, run: PlannedRun) -> Execution:
        return self.executions[shape_of(run)]


def plan_execution(
    runs: Iterable[PlannedRun],
    machine: MachineProfile,
    overrides: Overrides,
    previous: ExecutionPlan | None = None,
) -> ExecutionPlan:
    """Return the execution of every shape among ``runs``; ``previous`` ones stay, but for what the user overrides.

    Raises InitlabError for a device that the machine lacks.
    """
    by_shape: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        by_shape[shape_of(run)].append(run)
    known = dict(previous.executions) if previous else {}
    device = overrides.device or ("cuda" if machine.gpus else "cpu")
    planned = {}
    for shape, members in by_shape.items():
        execution = known.get(shape)
        if execution is None or overrides.device not in (None, execution.device):
            execution = _execution(members, machine, device)
        planned[shape] = overrides.apply(execution)
    return ExecutionPlan(machine, {**known, **planned})


def _execution(members: list[PlannedRun], machine: MachineProfile, device: str) -> Execution:
    """Return the execution of runs of one shape."""
    run, measured = members[0], machine.device(device)
    precision = matmul_precision_of(run, machine, device)
    context = run.dims.block_size
    nearest = min(measured["attention"], key=lambda tokens: abs(int(tokens) - context))
    attention = measured["attention"][nearest]
    # At shorter contexts than were measured the spelled-out products win by more.
    fused = attention["fused"] < attention["plain"] and (int(nearest) <= context or device == "cuda")
    execution = Execution(device, precision, fused=fused)
    if fused and device == "cpu":  # whose fused attention knows no lanes
        execution = replace(execution, lanes=1)
    else:
        execution = replace(execution, lanes=_lanes(run, machine, execution))
    if not (measured["compiler"] and compiling_pays(members, machine, device)):
        return execution
    # On a CPU a compiled network has a fixed number of lanes: few runs would leave too many of them idle.
    few = device == "cpu" and len(members) < 2 * execution.lanes * machine.cores
    return replace(execution, compiled=True, lanes=1 if few else execution.lanes)


def matmul_precision_of(run: PlannedRun, machine: MachineProfile, device: str) -> MatmulPrecision:
    """Return a run's matmul precision: float32 takes the fastest that is as accurate, highest torch's default."""
    precision = run.spec.train.precision
    if precision == "bfloat16":
        return "bfloat16"
    tiny = smallest_matmul(run) <= SMALLEST_MATMUL
    return machine.float32_matmul_precision(device) if precision == "float32" and not tiny else "highest"


def smallest_matmul(run: PlannedRun) -> int:
    """Return the multiplications of the smallest of a network's matrix products: attention's or a matrix's."""
    dims = run.dims
    tokens = run.spec.train.batch_size * dims.block_size
    return tokens * dims.n_embd * min(dims.block_size, dims.n_embd, dims.ffn_hidden, dims.vocab_size)


def _lanes(run: PlannedRun, machine: MachineProfile, execution: Execution) -> int:
    """Return the lanes that keep a device busy: as large a stack of streams as was fastest, within its memory."""
    kind = execution.device.partition(":")[0]
    fit = free_bytes(execution.device, machine) // lane_bytes(run, fused=execution.fused)
    if kind == "cuda":
        return max(1, min(MAX_LANES[kind], fit))
    times = machine.device(kind)["lanes"]
    best = 1 if times["1"] < ONE_LANE_MARGIN * times["4"] else 4
    measured = best * 12 * 64 * 128  # sequences, tokens and width of what initlab.engine.benchmark timed
    entries = run.spec.train.batch_size * run.dims.block_size * run.dims.n_embd
    return max(1, min(MAX_LANES[kind], measured // entries, fit))


def compiling_pays(members: list[PlannedRun], machine: MachineProfile, device: str) -> bool:
    """Whether the seconds saved on each core are well more than the compiler takes.

    Judged for all cores at work whatever ``--jobs`` is, so that it cannot change a byte.
    """
    if device == "cpu" and members[0].spec.train.steps == 0:
        return False
    matmul = machine.device(device)["products"][matmul_precision_of(members[0], machine, device)]
    workers = len(machine.gpus) if device == "cuda" else machine.cores
    flops = 1e9 * matmul["gflops"]
    total = sum(run_seconds(run, flops_per_second=flops) for run in members) / workers
    once, per_layer = COMPILE_SECONDS
    return (1 - COMPILED_TIME_SHARE) * total > 2 * (once + per_layer * members[0].dims.n_layer)
