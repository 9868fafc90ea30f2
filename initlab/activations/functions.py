"""The functions an MLP may use, by name, with their Gaussian moments.

Importing this module does not import torch: planning, theory and ``initlab list`` do without. A built-in has its
values and slopes in numpy beside its torch function; a plug-in may leave them to torch.

Several functions are spelt out in tanh, erf or expm1 because torch's own kernels for them finish the last few entries
of an array with other instructions than the rest, so an entry's value would depend on how many lanes are stacked.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from initlab.activations import reference as pointwise
from initlab.activations.quadrature import gaussian_means
from initlab.activations.reference import (
    GELU_TANH,
    LEAKY_SLOPE,
    QUICK_GELU,
    SELU_ALPHA,
    SELU_SCALE,
    Array,
    Pair,
    ValueAndSlope,
)
from initlab.errors import InitlabError
from initlab.plugins.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

Pointwise: TypeAlias = "Callable[[Tensor], Tensor]"


@dataclass(frozen=True)
class Reference:
    """A point-wise function f as numpy sees it; f and f′ are smooth but for the ``kinks``."""

    value_and_slope: ValueAndSlope
    kinks: tuple[float, ...]

    def f(self, x: Array) -> Array:
        return self.value_and_slope(x)[0]

    def df(self, x: Array) -> Array:
        return self.value_and_slope(x)[1]


@dataclass(frozen=True)
class Activation:
    """``function`` maps a tensor of any shape entry by entry; ``formula`` and ``source`` are for people.

    A ``gated`` one is an MLP with a third matrix, y = a·f(g): ``function`` is the f that acts on the gate g alone.
    ``exact`` is the same function and its slope in numpy, ``kinks`` the points where either is not smooth.
    """

    function: Pointwise
    formula: str
    source: str
    gated: bool = False
    kinks: tuple[float, ...] = (0.0,)
    exact: ValueAndSlope | None = None

    def __call__(self, x: "Tensor") -> "Tensor":
        return self.function(x)

    def reference(self) -> Reference:
        """Return f and f′ in numpy; torch differentiates where there is no ``exact``."""
        return Reference(self.exact or self._differentiated, self.kinks)

    def _differentiated(self, x: Array) -> Pair:
        import torch

        value, pull_back = torch.func.vjp(self.function, torch.tensor(x, dtype=torch.float64))[:2]
        (slope,) = pull_back(torch.ones_like(value))
        return value.numpy(), slope.numpy()


@dataclass(frozen=True, kw_only=True)
class Moments:
    """What a point-wise f makes of x ~ N(0, variance).

    For a gated y = a·f(g), a independent of g and of mean 0, they are the moments of the gate's f at g's variance:
    E y = 0, E y² = Var(a)·second, E (∂y/∂a)² = second, E (∂y/∂g)² = Var(a)·slope_second.
    """

    variance: float
    mean: float
    """E f(x)"""
    second: float
    """E f(x)²"""
    slope_second: float
    """E f′(x)²"""


def moments(activation: str | Activation, variance: float) -> Moments:
    """Return the Gaussian moments by quadrature: ``second`` and ``slope_second`` to 1e-12, ``mean`` to 1e-12·√second.

    At variance 0 they are those of a point mass at 0. Raises InitlabError for a variance that is none, and for a
    function that is not smooth elsewhere than at its kinks.
    """
    entry = ACTIVATIONS.get(activation) if isinstance(activation, str) else activation
    reference = entry.reference()

    def integrands(x: Array) -> Array:
        value, slope = reference.value_and_slope(x)
        return np.stack([value, value**2, slope**2])

    try:
        mean, second, slope_second = gaussian_means(integrands, variance, reference.kinks).tolist()
    except (ArithmeticError, ValueError) as error:
        raise InitlabError(f"moments of {entry.formula}: {error}") from error
    return Moments(variance=variance, mean=mean, second=second, slope_second=slope_second)


ACTIVATIONS: Registry[Activation] = Registry(
    "activation", code=lambda entry: entry.function, entry_points="initlab.activations"
)


def activation(
    name: str,
    *,
    formula: str,
    source: str,
    aliases: tuple[str, ...] = (),
    gated: bool = False,
    kinks: tuple[float, ...] = (0.0,),
    exact: ValueAndSlope | None = None,
) -> Callable[[Pointwise], Pointwise]:
    """Register a point-wise function; without ``exact``, torch finds its slope."""

    def decorate(function: Pointwise) -> Pointwise:
        ACTIVATIONS.add(name, Activation(function, formula, source, gated, kinks, exact), aliases=aliases)
        return function

    return decorate


@activation(
    "gelu",
    formula="x·Φ(x)",
    source="Hendrycks & Gimpel, arXiv 1606.08415; nanoGPT",
    aliases=("gelu-erf",),
    exact=pointwise.gelu,
)
def _gelu(x: "Tensor") -> "Tensor":
    import torch

    if x.dtype == torch.float64:
        return 0.5 * x * (1 + (math.sqrt(0.5) * x).erf())
    # In float32, where x is contiguous, torch's kernel treats all entries alike, and takes a quarter of the time.
    return torch.nn.functional.gelu(x.contiguous())


@activation(
    "gelu-tanh",
    formula="x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))",
    source="Hendrycks & Gimpel, arXiv 1606.08415; openai/gpt-2",
    aliases=("gelu-new",),
    exact=pointwise.gelu_tanh,
)
def _gelu_tanh(x: "Tensor") -> "Tensor":
    a, b = GELU_TANH
    return 0.5 * x * (1 + (a * (x + b * x**3)).tanh())


@activation(
    "gelu-sigmoid",
    formula="x·sigmoid(1.702·x)",
    source="Hendrycks & Gimpel, arXiv 1606.08415; openai/CLIP",
    aliases=("quick-gelu",),
    exact=pointwise.gelu_sigmoid,
)
def _gelu_sigmoid(x: "Tensor") -> "Tensor":
    return x * _sigmoid(QUICK_GELU * x)


@activation("relu", formula="max(x, 0)", source="Nair & Hinton 2010", exact=pointwise.relu)
def _relu(x: "Tensor") -> "Tensor":
    return x.relu()


@activation(
    "relu2",
    formula="max(x, 0)²",
    source="So et al. (Primer), arXiv 2109.08668",
    aliases=("squared-relu",),
    exact=pointwise.relu2,
)
def _relu2(x: "Tensor") -> "Tensor":
    return x.relu().square()


@activation(
    "leaky-relu",
    formula="max(x, 0.01·x)",
    source="Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models",
    aliases=("leakyrelu",),
    exact=pointwise.leaky_relu,
)
def _leaky_relu(x: "Tensor") -> "Tensor":
    from torch.nn.functional import leaky_relu

    return leaky_relu(x, LEAKY_SLOPE)


@activation(
    "relu6",
    formula="min(max(x, 0), 6)",
    source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
    kinks=(0.0, 6.0),
    exact=pointwise.relu6,
)
def _relu6(x: "Tensor") -> "Tensor":
    from torch.nn.functional import relu6

    return relu6(x)


@activation(
    "elu",
    formula="x if x > 0 else eˣ − 1",
    source="Clevert et al., arXiv 1511.07289",
    exact=pointwise.elu,
)
def _elu(x: "Tensor") -> "Tensor":
    return x.relu() + x.clamp(max=0).expm1()


@activation(
    "selu",
    formula="1.0507·(x if x > 0 else 1.67326·(eˣ − 1))",
    source="Klambauer et al., arXiv 1706.02515",
    exact=pointwise.selu,
)
def _selu(x: "Tensor") -> "Tensor":
    return SELU_SCALE * (x.relu() + SELU_ALPHA * x.clamp(max=0).expm1())


@activation(
    "silu",
    formula="x·sigmoid(x)",
    source="Elfwing et al., arXiv 1702.03118",
    aliases=("swish",),
    exact=pointwise.silu,
)
def _silu(x: "Tensor") -> "Tensor":
    return 0.5 * x * (1 + (0.5 * x).tanh())


@activation("mish", formula="x·tanh(softplus(x))", source="Misra, arXiv 1908.08681", exact=pointwise.mish)
def _mish(x: "Tensor") -> "Tensor":
    return x * _softplus(x).tanh()


@activation("softplus", formula="ln(1 + eˣ)", source="Dugas et al. 2001, NIPS 13", exact=pointwise.softplus)
def _softplus(x: "Tensor") -> "Tensor":
    from torch.nn.functional import logsigmoid

    return -logsigmoid(-x)


@activation(
    "sigmoid",
    formula="1/(1 + e⁻ˣ)",
    source="Rumelhart, Hinton & Williams 1986",
    aliases=("logistic",),
    exact=pointwise.sigmoid,
)
def _sigmoid(x: "Tensor") -> "Tensor":
    return 0.5 * (1 + (0.5 * x).tanh())


@activation("tanh", formula="tanh(x)", source="LeCun et al. 1998, Efficient BackProp", exact=pointwise.tanh)
def _tanh(x: "Tensor") -> "Tensor":
    return x.tanh()


@activation(
    "hard-tanh",
    formula="min(max(x, −1), 1)",
    source="Collobert 2004, Large scale machine learning",
    aliases=("hardtanh",),
    kinks=(-1.0, 1.0),
    exact=pointwise.hard_tanh,
)
def _hard_tanh(x: "Tensor") -> "Tensor":
    from torch.nn.functional import hardtanh

    return hardtanh(x)


@activation(
    "hard-sigmoid",
    formula="min(max(x + 3, 0), 6)/6",
    source="Howard et al. (MobileNetV3), arXiv 1905.02244",
    aliases=("hardsigmoid",),
    kinks=(-3.0, 3.0),
    exact=pointwise.hard_sigmoid,
)
def _hard_sigmoid(x: "Tensor") -> "Tensor":
    return _relu6(x + 3) / 6  # torch's own takes the slope 1/6 in float32 whatever x is


@activation(
    "hard-swish",
    formula="x·min(max(x + 3, 0), 6)/6",
    source="Howard et al. (MobileNetV3), arXiv 1905.02244",
    aliases=("hardswish", "hard-silu", "hardsilu"),
    kinks=(-3.0, 3.0),
    exact=pointwise.hard_swish,
)
def _hard_swish(x: "Tensor") -> "Tensor":
    from torch.nn.functional import hardswish

    return hardswish(x)


@activation(
    "identity",
    formula="x",
    source="a linear network, for theory",
    aliases=("linear",),
    exact=pointwise.identity,
)
def _identity(x: "Tensor") -> "Tensor":
    return x


def _gated(name: str, gate: str, *, source: str) -> None:
    """Register y = a·f(g), f being what is registered as ``gate``."""
    formula = "a·g" if gate == "identity" else f"a·{gate}(g)"
    ACTIVATIONS.add(name, replace(ACTIVATIONS.get(gate), formula=formula, source=source, gated=True))


_gated("glu", "sigmoid", source="Dauphin et al., arXiv 1612.08083")
_gated("swiglu", "silu", source="Shazeer, arXiv 2002.05202; Llama")
_gated("geglu", "gelu", source="Shazeer, arXiv 2002.05202")
_gated("geglu-tanh", "gelu-tanh", source="Shazeer, arXiv 2002.05202; Gemma, arXiv 2403.08295")
_gated("reglu", "relu", source="Shazeer, arXiv 2002.05202")
_gated("bilinear", "identity", source="Mnih & Hinton 2007; Shazeer, arXiv 2002.05202")
