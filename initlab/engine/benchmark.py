"""What this machine is fast at, in a few seconds: ``python -m initlab.engine.benchmark`` prints one JSON document.

A process of its own, so that who plans a sweep need not import torch. What the numbers decide is not known here.
"""

import json
import time
from collections.abc import Callable
from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from initlab.engine.compiler import can_compile
from initlab.engine.lane_model import Batch, LaneModel, matmul_precision
from initlab.machine.environment import available_cores
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.network.slot_table import plain_network
from initlab.network.topology import Dims

MATMUL_SHAPE = (768, 128, 512)
"""Tokens, width and hidden width of nanoGPT's CPU configuration: the product most of its time goes to."""

CONTEXTS = (64, 256, 1024)
LANES = (1, 4)
REPETITIONS = 7


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the least time of a few: what a disturbance adds is never negative."""
    found = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - started)
    return min(found[1:])


def measure_matmul(precision: MatmulPrecision, device: torch.device) -> dict[str, float]:
    """Return the rate in 1e9 operations a second and the relative error against float64."""
    tokens, width, hidden = MATMUL_SHAPE
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(tokens, width, generator=generator), torch.randn(width, hidden, generator=generator)
    exact = a.double() @ b.double()
    a, b = a.to(device), b.to(device)
    if precision == "bfloat16":
        a, b = a.bfloat16(), b.bfloat16()
    with matmul_precision(precision):
        rate = 2 * tokens * width * hidden / seconds(lambda: a @ b, device) / 1e9
        error = float(((a @ b).cpu().double() - exact).norm() / exact.norm())
    return {"gflops": round(rate, 1), "error": float(f"{error:.2g}")}


def measure_attention(context: int, precision: MatmulPrecision, device: torch.device) -> dict[str, float]:
    """Return the milliseconds of softmax(q kᵀ) v, forward and backward, spelled out and fused."""
    batch = max(1, MATMUL_SHAPE[0] // context)
    shape = (batch, 4, context, 32)
    q, k, v = (torch.randn(shape, device=device, requires_grad=True) for _ in range(3))
    mask = torch.full((context, context), float("-inf"), device=device).triu(1)

    def plain() -> Tensor:
        return (q @ k.transpose(-2, -1) + mask).softmax(-1) @ v

    def fused() -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)

    with matmul_precision(precision):
        return {
            attention.__name__: round(1e3 * seconds(lambda a=attention: a().sum().backward(), device), 3)  # type: ignore[misc]
            for attention in (plain, fused)
        }


def measure_lanes(lanes: int, precision: MatmulPrecision, device: torch.device) -> float:
    """Return the milliseconds of one lane's share of a step of one block."""
    dims = Dims(n_layer=1, n_head=4, n_embd=128, vocab_size=65, block_size=64, ffn_hidden=512)
    network = plain_network(dims)
    model = LaneModel(network, F.gelu, 0.0, Execution(device.type, precision, lanes))
    parameters = {name: torch.randn(lanes, *shape, device=device) * 0.02 for name, shape in network.shapes.items()}
    tokens = torch.randint(65, (lanes, 12, 64), device=device)
    batch = Batch(tokens, tokens, torch.zeros(lanes, dtype=torch.int64, device=device))
    return round(1e3 * seconds(lambda: model.step(parameters, {}, batch), device) / lanes, 3)


def measure_threads() -> float:
    """Return how much faster a large product is with all cores' threads than with one."""
    a, cpu = torch.randn(1024, 1024), torch.device("cpu")
    alone = seconds(lambda: a @ a, cpu)
    torch.set_num_threads(available_cores())
    together = seconds(lambda: a @ a, cpu)
    torch.set_num_threads(1)
    return round(alone / together, 2)


def measure(device: torch.device) -> dict[str, Any]:
    """Return what one device does; times are those of a machine that does nothing else."""
    matmuls: dict[str, dict[str, float]] = {name: measure_matmul(name, device) for name in get_args(MatmulPrecision)}
    # Medium is the path most runs take where it is accurate; where it is not, the others are looked at.
    precision: MatmulPrecision = "medium" if matmuls["medium"]["error"] < 1e-5 else "highest"
    return {
        "products": matmuls,
        "attention": {str(context): measure_attention(context, precision, device) for context in CONTEXTS},
        "lanes": {str(lanes): measure_lanes(lanes, precision, device) for lanes in LANES},
        "compiler": can_compile(device.type),
    }


def document() -> dict[str, Any]:
    """Return what the CPU and, where there is one, a GPU do."""
    started = time.perf_counter()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"devices": {"cpu": measure(torch.device("cpu"))}, "threads": measure_threads()}
    gpus = range(torch.cuda.device_count())
    if gpus:
        found["devices"]["cuda"] = measure(torch.device("cuda"))
    found["gpus"] = [
        {"name": torch.cuda.get_device_name(n), "bytes": torch.cuda.get_device_properties(n).total_memory}
        for n in gpus
    ]
    return {**found, "seconds": round(time.perf_counter() - started, 1)}


if __name__ == "__main__":
    print(json.dumps(document()))
