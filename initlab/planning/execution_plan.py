"""How each shape of a sweep is computed, chosen from what the machine was measured to do.

The plan is made once for a sweep and stored with it: results depend on it by rounding, so a sweep that is resumed, or
run on another number of workers, must not be planned again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from initlab.machine.execution import Execution, MatmulPrecision, Overrides
from initlab.machine.profile import CPU_LANES, STEP_TOKENS, STEP_WIDTH, MachineProfile, machine_key
from initlab.network.topology import ON_LOGITS
from initlab.planning.cost import COMPILED_TIME_SHARE, lane_bytes, run_seconds
from initlab.planning.expand import PlannedRun
from initlab.planning.memory import free_bytes

MAX_LANES = {"cpu": 16, "cuda": 1024}
"""More gain nothing on a CPU, and lose more to a crash; a GPU takes what its memory holds."""

ONE_LANE_MARGIN = 0.95
"""One lane is preferred to several only where its time is below this share of theirs: measurements scatter."""

SMALLEST_MATMUL = 16**3
"""torch leaves products of up to so many multiplications, a batch of them counted together, to MKL whatever the path
(mkldnn/Matmul.cpp, checksize). A lane's own must be above it: else its path would depend on the lanes beside it."""

COMPILE_SECONDS = 17.0, 2.5
"""What torch.compile takes for a training step: once, and again for every block (4 layers: 25 s were measured)."""


@dataclass(frozen=True)
class ExecutionPlan:
    """The machine a sweep was planned for, and the execution of every shape in it."""

    machine: MachineProfile
    executions: Mapping[str, Execution]
    """By ``initlab.planning.expand.PlannedRun.shape``."""

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
        return self.executions[run.shape]


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
        by_shape[run.shape].append(run)
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
    run = members[0]
    precision = matmul_precision_of(run, machine, device)
    choose = _on_a_cpu if device == "cpu" else _on_a_gpu
    fused, lanes = choose(run, machine, device, precision)
    execution = Execution(device, precision, lanes, fused)
    if not (machine.device(device)["compiler"] and compiling_pays(members, machine, device)):
        return execution
    # On a CPU a compiled network has a fixed number of lanes: few runs would leave too many of them idle.
    few = device == "cpu" and len(members) < 2 * lanes * machine.cores
    return replace(execution, compiled=True, lanes=1 if few else lanes)


def _on_a_cpu(run: PlannedRun, machine: MachineProfile, device: str, precision: MatmulPrecision) -> tuple[bool, int]:
    """Return whether attention is fused and how many lanes train together: whatever makes a step fastest.

    torch has no fused attention for lanes on a CPU, so a network has the one or the other.
    """
    times = machine.step_times(device, precision)
    measured = times.nearest(run.dims.block_size)
    plain, fused = times.plain[measured], times.fused[measured]
    # At shorter contexts than were measured plain attention wins by more.
    fuses = can_fuse(run) and fused < plain and measured <= run.dims.block_size
    lanes = _lanes_that_fit(run, machine, device)
    if lanes > 1 and (fused if fuses else plain) >= ONE_LANE_MARGIN * plain * times.share_of_lanes:
        return False, lanes
    return fuses, 1


def _on_a_gpu(run: PlannedRun, machine: MachineProfile, device: str, precision: MatmulPrecision) -> tuple[bool, int]:
    """Return whether attention is fused and how many lanes train together: as many as memory holds."""
    times = machine.step_times(device, precision)
    measured = times.nearest(run.dims.block_size)
    fused = can_fuse(run) and times.fused[measured] < times.plain[measured]
    fit = free_bytes(device, machine) // lane_bytes(run, fused=fused)
    return fused, max(1, min(MAX_LANES["cuda"], fit))


def can_fuse(run: PlannedRun) -> bool:
    """Whether torch's fused attention can compute a run's: it adds no position bias and drops no weights our way."""
    return run.blueprint.topology.positions not in ON_LOGITS and not run.spec.model.dropout


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


def _lanes_that_fit(run: PlannedRun, machine: MachineProfile, device: str) -> int:
    """Return the lanes whose residual streams make as large a stack as was timed on a CPU, within its memory."""
    fit = free_bytes(device, machine) // lane_bytes(run, fused=False)
    stack = CPU_LANES * STEP_TOKENS * STEP_WIDTH
    entries = run.spec.train.batch_size * run.dims.block_size * run.dims.n_embd
    return max(1, min(MAX_LANES["cpu"], stack // entries, fit))


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
