"""Every activation once more, from its definition, on one number; and another rule of integration."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from initlab.activations.functions import Activation

Array = npt.NDArray[np.float64]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


FORMULAS: dict[str, Callable[[float], float]] = {
    # Φ(x) = (1 + erf(x/√2))/2. For x far below 0 that sum cancels; erfc does not.
    "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
    "gelu-tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu-sigmoid": lambda x: x * logistic(1.702 * x),
    "relu": lambda x: max(x, 0.0),
    "relu2": lambda x: max(x, 0.0) ** 2,
    "leaky-relu": lambda x: max(x, 0.01 * x),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "silu": lambda x: x * logistic(x),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "sigmoid": logistic,
    "tanh": lambda x: (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1),
    "hard-tanh": lambda x: min(max(x, -1.0), 1.0),
    "hard-sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "hard-swish": lambda x: x * min(max(x / 6 + 0.5, 0.0), 1.0),
    "identity": lambda x: x,
}
GATES = {
    "glu": "sigmoid",
    "swiglu": "silu",
    "geglu": "gelu",
    "geglu-tanh": "gelu-tanh",
    "reglu": "relu",
    "bilinear": "identity",
}
FORMULAS |= {name: FORMULAS[gate] for name, gate in GATES.items()}

BREAKS = (-20.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 10.0, 20.0)
"""Every kink there is, and points that part where functions bend from where they are straight."""


def value_and_gradient(activation: Activation, x: Array) -> tuple[Array, Array]:
    """Return torch's values and gradients, in float64."""
    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = activation.function(tensor)
    (gradient,) = torch.autograd.grad(value.sum(), tensor)
    return value.detach().numpy(), gradient.numpy()


def gaussian_nodes(variance: float) -> tuple[Array, Array]:
    """Return (x, weight) of a tanh-sinh rule for the mean over N(0, variance): Takahasi & Mori 1974.

    It is exact to rounding for what is analytic between BREAKS, and forgives anything at the breaks themselves.
    """
    sigma = math.sqrt(variance)
    ends = np.array(sorted({*BREAKS, *(k * sigma for k in (-12, -7, -4, -2, -1, 1, 2, 4, 7, 12))}))
    ends = ends[np.abs(ends) <= 12 * sigma]
    t = np.linspace(-3.4, 3.4, 171)
    u = np.tanh(math.pi / 2 * np.sinh(t))
    du = math.pi / 2 * np.cosh(t) / np.cosh(math.pi / 2 * np.sinh(t)) ** 2 * (t[1] - t[0])
    half = np.diff(ends)[:, None] / 2
    x = (ends[:-1, None] + half * (1 + u)).ravel()
    density = np.exp(-0.5 * (x / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return x, (half * du).ravel() * density
