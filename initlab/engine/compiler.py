"""torch.compile around a training step: one graph for every init, seed and learning rate of a shape.

A step that the compiler cannot do runs as it is. Compilers fail for many reasons, none of them the run's.
"""

import shutil
import warnings
from collections.abc import Callable
from typing import Any

import torch

from initlab.machine.execution import Execution

MOST_GRAPHS = 100_000
"""torch gives up on code that it compiled for the eighth time; a worker trains as many shapes as a sweep has."""


def can_compile(device: str) -> bool:
    """Whether there is what the compiler needs: a C++ compiler, or Triton on a GPU."""
    if device.startswith("cuda"):
        return torch.utils._triton.has_triton()
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def compiled(step: Callable[..., Any], execution: Execution) -> Callable[..., Any]:
    """Return ``step`` compiled; CUDA graphs take over what a small network's launches would cost."""
    # Every shape has its own graph of the same code: past torch's limit on those it would quietly compile no more.
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = MOST_GRAPHS
    mode = "reduce-overhead" if execution.device.startswith("cuda") else "default"
    fast: Callable[..., Any] | None = torch.compile(step, dynamic=False, mode=mode)

    def run(*args: Any) -> Any:
        nonlocal fast
        if fast is not None:
            try:
                return fast(*args)
            except torch._dynamo.exc.TorchDynamoException as error:
                reason = str(error).strip().splitlines()[0]
                warnings.warn(f"not compiled, which costs speed alone: {reason}", RuntimeWarning, stacklevel=2)
                fast = None
        return step(*args)

    return run
