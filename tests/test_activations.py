import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.func import vmap

from initlab.activations import ACTIVATIONS, activation

FORMULAS: dict[str, Callable[[float], float]] = {
    # Φ(x) = (1 + erf(x/√2))/2. For x far below 0 that sum cancels; erfc does not.
    "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
    "gelu-tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: max(x, 0.0),
    "relu2": lambda x: max(x, 0.0) ** 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": lambda x: (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1),
    "identity": lambda x: x,
}
GRID = np.concatenate([np.linspace(-8, 8, 401), [-1e-3, 1e-3, 0.0]])

# Both sides are a handful of float64 operations, each within one unit in the last place; where a formula cancels
# (1 + tanh at -8, e^2x - 1 near 0), it does so against a term of size 1, and x is at most 8.
TOLERANCE = 16 * 8 * np.finfo(np.float64).eps


def values(name: str) -> npt.NDArray[np.float64]:
    return ACTIVATIONS.get(name)(torch.from_numpy(GRID)).numpy()


def wanted(name: str) -> npt.NDArray[np.float64]:
    return np.array([FORMULAS[name](float(x)) for x in GRID])


def names() -> list[str]:
    return [name for name, _ in ACTIVATIONS.items()]


def test_every_activation_has_a_formula_here() -> None:
    assert set(names()) == set(FORMULAS)


@pytest.mark.parametrize("name", names())
def test_value_is_the_formulas(name: str) -> None:
    assert np.abs(values(name) - wanted(name)).max() < TOLERANCE


@pytest.mark.parametrize("name", names())
def test_no_other_formula_would_do(name: str) -> None:
    distances = {other: np.abs(values(name) - wanted(other)).max() for other in FORMULAS if other != name}
    # The closest pair are the two forms of GELU, which differ by 4.7e-4 near |x| = 2.7.
    assert min(distances.values()) > 4e-4


@pytest.mark.parametrize("name", names())
def test_pointwise_of_any_shape_and_precision_and_without_side_effects(name: str) -> None:
    function = ACTIVATIONS.get(name)
    x = torch.linspace(-3, 3, 24)
    kept = x.clone()
    flat = function(x)
    assert torch.equal(x, kept)
    assert flat.dtype == torch.float32
    assert function(x.view(2, 3, 4)).shape == (2, 3, 4)
    rounding = 8 * torch.finfo(torch.float32).eps
    assert torch.allclose(function(x.view(2, 3, 4)).flatten(), flat, rtol=rounding, atol=rounding)
    assert torch.allclose(vmap(function)(x.view(4, 6)).flatten(), flat, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("name", names())
def test_gradient_is_the_formulas_slope(name: str) -> None:
    x = torch.tensor([-2.3, -0.7, 0.4, 1.9], dtype=torch.float64, requires_grad=True)  # away from the kink at 0
    (slope,) = torch.autograd.grad(ACTIVATIONS.get(name)(x).sum(), x)
    h = 1e-5  # a central difference errs by h²/6·f''' < 1e-10, and by eps/h = 2e-11 from rounding, times a few
    expected = [(FORMULAS[name](v + h) - FORMULAS[name](v - h)) / (2 * h) for v in x.tolist()]
    assert slope.tolist() == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("gelu-erf", "gelu"),
        ("gelu-new", "gelu-tanh"),
        ("squared-relu", "relu2"),
        ("swish", "silu"),
        ("linear", "identity"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert ACTIVATIONS.canonical(alias) == name


@pytest.mark.parametrize("name", names())
def test_formula_and_source_are_given(name: str) -> None:
    entry = ACTIVATIONS.get(name)
    assert entry.formula
    assert entry.source


def test_an_activation_is_registered_by_decorating_a_function() -> None:
    with ACTIVATIONS.temporarily("third", ACTIVATIONS.get("relu")):
        assert ACTIVATIONS.get("third").function is ACTIVATIONS.get("relu").function
    registered = activation("relu-for-this-test", formula="max(x, 0)", source="a test")(torch.relu)
    try:
        assert registered is torch.relu
        assert ACTIVATIONS.get("relu-for-this-test").formula == "max(x, 0)"
    finally:
        del ACTIVATIONS._entries["relu-for-this-test"]


def test_importing_the_names_does_not_import_torch() -> None:
    code = "import sys; from initlab.activations import ACTIVATIONS; assert ACTIVATIONS.items()\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
