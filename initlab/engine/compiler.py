"""torch.compile around a training step: one graph for every init, seed and learning rate of a shape.

A step that the compiler cannot do runs as it is. Compilers fail for many reasons, none of them the run's.
"""

import shutil
import warnings
from collections.abc import Callable
from typing import Any

import torch

from initlab.execution import Execution


def can_compile(device: str) -> bool:
    """Whether there is what the compiler needs: a C++ compiler, or Triton on a GPU."""
    if device.startswith("cuda"):
        return torch.utils._triton.has_triton()
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def compiled(step: Callable[..., Any], execution: Execution) -> Callable[..., Any]:
    """Return ``step`` compiled; CUDA graphs take over what a small network's launches would cost."""
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
