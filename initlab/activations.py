"""The point-wise functions an MLP may use, by name.

Importing this module does not import torch: planning and ``initlab list`` need the names alone.

silu and gelu-tanh are spelt out with tanh: torch's own kernels for them finish the last few entries of an array
with other instructions than the rest, so an entry's value would depend on how many lanes are stacked.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from initlab.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

Pointwise: TypeAlias = "Callable[[Tensor], Tensor]"


@dataclass(frozen=True)
class Activation:
    """``function`` maps a tensor of any shape entry by entry; ``formula`` and ``source`` are for people."""

    function: Pointwise
    formula: str
    source: str
    gated: bool = False

    def __call__(self, x: "Tensor") -> "Tensor":
        return self.function(x)


ACTIVATIONS: Registry[Activation] = Registry(
    "activation", code=lambda entry: entry.function, entry_points="initlab.activations"
)


def activation(
    name: str, *, formula: str, source: str, aliases: tuple[str, ...] = ()
) -> Callable[[Pointwise], Pointwise]:
    """Register a point-wise function."""

    def decorate(function: Pointwise) -> Pointwise:
        ACTIVATIONS.add(name, Activation(function, formula, source), aliases=aliases)
        return function

    return decorate


@activation("gelu", formula="x·Φ(x)", source="Hendrycks & Gimpel, arXiv 1606.08415; nanoGPT", aliases=("gelu-erf",))
def _gelu(x: "Tensor") -> "Tensor":
    from torch.nn.functional import gelu

    return gelu(x)


@activation(
    "gelu-tanh",
    formula="x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))",
    source="Hendrycks & Gimpel, arXiv 1606.08415; openai/gpt-2",
    aliases=("gelu-new",),
)
def _gelu_tanh(x: "Tensor") -> "Tensor":
    return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh())


@activation("relu", formula="max(x, 0)", source="Nair & Hinton 2010")
def _relu(x: "Tensor") -> "Tensor":
    return x.relu()


@activation("relu2", formula="max(x, 0)²", source="So et al. (Primer), arXiv 2109.08668", aliases=("squared-relu",))
def _relu2(x: "Tensor") -> "Tensor":
    return x.relu().square()


@activation("silu", formula="x·sigmoid(x)", source="Elfwing et al., arXiv 1702.03118", aliases=("swish",))
def _silu(x: "Tensor") -> "Tensor":
    return 0.5 * x * (1 + (0.5 * x).tanh())


@activation("tanh", formula="tanh(x)", source="LeCun et al. 1998, Efficient BackProp")
def _tanh(x: "Tensor") -> "Tensor":
    return x.tanh()


@activation("identity", formula="x", source="a linear network, for theory", aliases=("linear",))
def _identity(x: "Tensor") -> "Tensor":
    return x
