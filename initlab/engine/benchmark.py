"""What this machine is fast at, in a few seconds: ``python -m initlab.engine.benchmark`` prints one JSON document.

A process of its own, so that who plans a sweep need not import torch. What the numbers decide is not known here; what
is decided is what is timed: a training step, as the engine computes it, by every matmul precision that may be chosen.
"""

import json
import time
from collections.abc import Callable
from typing import Any, get_args

import torch
from torch.nn import functional as F

from initlab.engine.compiler import can_compile
from initlab.engine.lane_model import Batch, LaneModel, matmul_precision
from initlab.machine.environment import available_cores
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.machine.profile import CPU_LANES, FLOAT32_TOLERANCE, GPU_LANES, STEP_TOKENS, STEP_WIDTH
from initlab.network.slot_table import plain_network
from initlab.network.topology import Dims

HIDDEN = 4 * STEP_WIDTH
"""With the step's tokens and width nanoGPT's CPU configuration: the matrix product most of its time goes to."""

CONTEXTS = (64, 256, 1024)
"""Tokens of a sequence; a step has as many sequences as make ``STEP_TOKENS``, and at least one."""

HOPELESS = 0.1
"""Of the rate of torch's default: a precision below it is taken for its bits, never for speed."""

REPETITIONS, ENOUGH, BUDGET_SECONDS = 7, 3, 0.2
"""A piece of work is timed so many times, or once it was timed often enough, until it has taken so long."""


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the least time of a few: what a disturbance adds is never negative. The first time only warms up."""
    times: list[float] = []
    while len(times) < REPETITIONS and (len(times) < ENOUGH or sum(times) < BUDGET_SECONDS):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def measure_matmul(precision: MatmulPrecision, device: torch.device) -> dict[str, float]:
    """Return the rate in 1e9 operations a second and the relative error against float64."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(STEP_TOKENS, STEP_WIDTH, generator=generator)
    b = torch.randn(STEP_WIDTH, HIDDEN, generator=generator)
    exact = a.double() @ b.double()
    a, b = a.to(device), b.to(device)
    if precision == "bfloat16":
        a, b = a.bfloat16(), b.bfloat16()
    with matmul_precision(precision):
        rate = 2 * STEP_TOKENS * STEP_WIDTH * HIDDEN / seconds(lambda: a @ b, device) / 1e9
        error = float(((a @ b).cpu().double() - exact).norm() / exact.norm())
    return {"gflops": round(rate, 1), "error": float(f"{error:.2g}")}


def measure_step(execution: Execution, context: int) -> float:
    """Return the milliseconds of one lane's share of a training step of one block, forward and backward.

    As the engine takes it: by ``execution``'s precision, attention and lanes.
    """
    dims = Dims(n_layer=1, n_head=4, n_embd=STEP_WIDTH, vocab_size=65, block_size=context, ffn_hidden=HIDDEN)
    device, lanes, network = torch.device(execution.device), execution.lanes, plain_network(dims)
    model = LaneModel(network, F.gelu, 0.0, execution)
    generator = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(lanes, *shape, generator=generator) for name, shape in network.shapes.items()}
    parameters = model.match_strides({name: 0.02 * x.to(device) for name, x in drawn.items()})
    tokens = torch.randint(65, (lanes, max(1, STEP_TOKENS // context), context), generator=generator).to(device)
    batch = Batch(tokens, tokens, torch.zeros(lanes, dtype=torch.int64, device=device))
    return round(1e3 * seconds(lambda: model.step(parameters, {}, batch), device) / lanes, 3)


def measure_steps(precision: MatmulPrecision, device: torch.device) -> dict[str, dict[str, float]]:
    """Return the milliseconds of a step by context, with plain and with fused attention, and of lanes together.

    A CPU takes fused attention in a lane by itself alone, so plain is timed alone too, and once among several lanes.
    A GPU always has several.
    """
    alone = 1 if device.type == "cpu" else GPU_LANES
    together = CONTEXTS[:1] if device.type == "cpu" else ()

    def times(contexts: tuple[int, ...], lanes: int, fused: bool) -> dict[str, float]:
        execution = Execution(device.type, precision, lanes, fused)
        return {str(context): measure_step(execution, context) for context in contexts}

    return {
        "plain": times(CONTEXTS, alone, fused=False),
        "fused": times(CONTEXTS, alone, fused=True),
        "lanes": times(together, CPU_LANES, fused=False),
    }


def measure_threads() -> float:
    """Return how much faster a large product is with all cores' threads than with one."""
    a, cpu = torch.randn(1024, 1024), torch.device("cpu")
    alone = seconds(lambda: a @ a, cpu)
    torch.set_num_threads(available_cores())
    together = seconds(lambda: a @ a, cpu)
    torch.set_num_threads(1)
    return round(alone / together, 2)


def is_worth_timing(precision: MatmulPrecision, matmuls: dict[MatmulPrecision, dict[str, float]]) -> bool:
    """Whether a step by ``precision`` is worth the seconds, by what single matmuls were measured to do.

    No run takes medium for float32 where it keeps fewer bits. On a CPU without bfloat16 every product is emulated,
    hundreds of times slower: whatever attention or lanes do is lost in that.
    """
    matmul, highest = matmuls[precision], matmuls["highest"]
    accurate = precision != "medium" or matmul["error"] < FLOAT32_TOLERANCE
    return accurate and matmul["gflops"] > HOPELESS * highest["gflops"]


def measure(device: torch.device) -> dict[str, Any]:
    """Return what one device does; times are those of a machine that does nothing else."""
    matmuls: dict[MatmulPrecision, dict[str, float]] = {
        name: measure_matmul(name, device) for name in get_args(MatmulPrecision)
    }
    usable = [name for name in matmuls if is_worth_timing(name, matmuls)]
    return {
        "products": matmuls,
        "steps": {name: measure_steps(name, device) for name in usable},
        "compiler": can_compile(device.type),
    }


def document() -> dict[str, Any]:
    """Return what the CPU and, where there is one, a GPU do."""
    started = time.perf_counter()
    torch.set_num_threads(1)
    measured: dict[str, Any] = {"devices": {"cpu": measure(torch.device("cpu"))}, "threads": measure_threads()}
    gpus = range(torch.cuda.device_count())
    if gpus:
        measured["devices"]["cuda"] = measure(torch.device("cuda"))
    measured["gpus"] = [
        {"name": torch.cuda.get_device_name(n), "bytes": torch.cuda.get_device_properties(n).total_memory}
        for n in gpus
    ]
    return {**measured, "seconds": round(time.perf_counter() - started, 1)}


if __name__ == "__main__":
    print(json.dumps(document()))
