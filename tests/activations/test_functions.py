import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.special import erfcx, ndtr
from torch import Tensor
from torch.func import grad_and_value, vmap

from initlab.activations.functions import ACTIVATIONS, Activation, Moments, activation, moments
from initlab.errors import InitlabError
from tests.formulas import FORMULAS, GATES, gaussian_nodes, value_and_gradient

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
    alike = {name, *(gate for gate in GATES if GATES[gate] == GATES.get(name, name)), GATES.get(name)}
    distances = {other: np.abs(values(name) - wanted(other)).max() for other in FORMULAS if other not in alike}
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
def test_gradient_over_lanes_is_the_gradient(name: str) -> None:
    """As the engine takes it; a kernel that vmap does not know warns, and a warning fails."""
    x = torch.linspace(-4, 4, 24, dtype=torch.float64)
    gradients, _ = vmap(grad_and_value(lambda lane: ACTIVATIONS.get(name).function(lane).sum()))(x.view(4, 6))
    assert torch.equal(gradients.flatten(), torch.from_numpy(value_and_gradient(ACTIVATIONS.get(name), x.numpy())[1]))


def differing(function: Callable[[Tensor], Tensor], dtype: torch.dtype) -> int:
    """Count the values and gradients that change with where in an array an entry stands, and in how long a one.

    From 2 entries on: no layer has one, and torch takes another gelu for it.
    """
    generator = torch.Generator().manual_seed(0)
    x = (4 * torch.randn(1027, generator=generator, dtype=torch.float64)).to(dtype)
    whole = both(function, x)
    parts = [slice(at, at + size) for size in (2, 3, 5, 7, 13, 31, 67) for at in range(0, 1027 - size, 41)]
    parts += [slice(start, stop, step) for start in (0, 1) for stop in (1024, 1027) for step in (1, 2, 3)]
    return sum(int((both(function, x[part]) != whole[:, part]).sum()) for part in parts)


def both(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return values and gradients, (2, entries)."""
    x = x.detach().requires_grad_()
    value = function(x)
    return torch.stack([value.detach(), *torch.autograd.grad(value.sum(), x)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", names())
def test_an_entry_does_not_depend_on_its_neighbours(name: str, dtype: torch.dtype) -> None:
    assert differing(ACTIVATIONS.get(name).function, dtype) == 0


def test_an_entry_that_does_is_caught() -> None:
    def last_four_otherwise(x: Tensor) -> Tensor:
        return x * (1 + torch.finfo(x.dtype).eps * (torch.arange(len(x)) < len(x) - len(x) % 4))

    assert differing(last_four_otherwise, torch.float32) > 0


@pytest.mark.parametrize("name", names())
def test_finite_where_exponentials_are_not(name: str) -> None:
    x = torch.tensor([0.0, -0.0] + [sign * size for size in (20, 88.8, 104, 1e4) for sign in (-1, 1)])
    value, gradient = both(ACTIVATIONS.get(name).function, x)
    exact, slope = ACTIVATIONS.get(name).reference().value_and_slope(x.double().numpy())
    # A few roundings of x itself, where a function far below 0 is a difference of numbers of its size.
    room = 4 * torch.finfo(torch.float32).eps * (1 + np.abs(x.numpy()))
    assert (np.abs(value.numpy() - exact) <= room * (1 + np.abs(exact) / (1 + np.abs(x.numpy())))).all()
    assert (np.abs(gradient.numpy() - slope) <= room * (1 + np.abs(slope))).all()


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
        ("quick-gelu", "gelu-sigmoid"),
        ("leakyrelu", "leaky-relu"),
        ("hardtanh", "hard-tanh"),
        ("hardsigmoid", "hard-sigmoid"),
        ("hardswish", "hard-swish"),
        ("hard-silu", "hard-swish"),
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
        assert_moments(moments("relu-for-this-test", 0.4), *CLOSED["relu"](0.4))
    finally:
        del ACTIVATIONS._entries["relu-for-this-test"]


@pytest.mark.parametrize("gated", GATES)
def test_a_gated_one_acts_on_its_gate_with_the_plain_function(gated: str) -> None:
    entry, plain = ACTIVATIONS.get(gated), ACTIVATIONS.get(GATES[gated])
    assert entry.gated
    assert not plain.gated
    assert entry.function is plain.function
    assert "a·" in entry.formula
    assert {name for name, entry in ACTIVATIONS.items() if entry.gated} == set(GATES)


def test_names_and_moments_need_neither_torch_nor_scipy() -> None:
    code = "import sys; from initlab.activations.functions import ACTIVATIONS, moments\n"
    code += "assert [moments(name, 0.3) for name, _ in ACTIVATIONS.items()]\n"
    code += "print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


VARIANCES = (1e-4, 0.307, 1.0, 7.3, 400.0)
CLOSE = 1e-12
"""What ``moments`` promises; both sides of a comparison are sums of about 2,000 terms, which round at 1e-14."""


def assert_moments(found: Moments, mean: float, second: float, slope_second: float) -> None:
    assert found.mean == pytest.approx(mean, rel=0, abs=CLOSE * math.sqrt(second))
    assert found.second == pytest.approx(second, rel=CLOSE, abs=0)
    assert found.slope_second == pytest.approx(slope_second, rel=CLOSE, abs=0)


TABLE = """
identity    0.000000 1.000000 1.000000
relu        0.398942 0.500000 0.500000
relu2       0.500000 1.500000 2.000000
leaky-relu  0.394953 0.500050 0.500050
gelu        0.282095 0.425221 0.455851
gelu-tanh   0.282039 0.425194 0.455818
silu        0.206621 0.355776 0.379482
tanh        0.000000 0.394294 0.464403
elu         0.160521 0.644945 0.668102
selu        0.000000 1.000000 1.071575
mish        0.240404 0.452342 0.479084
sigmoid     0.500000 0.293379 0.044836
softplus    0.806059 0.921246 0.293379
"""
"""E f, E f², E f′² on N(0, 1), worked out apart from this code, to 6 digits."""
UNIT = {name: (float(a), float(b), float(c)) for name, a, b, c in map(str.split, TABLE.strip().splitlines())}
UNIT |= {gated: UNIT[gate] for gated, gate in GATES.items()}


@pytest.mark.parametrize("name", UNIT)
def test_moments_at_variance_1_are_the_tables(name: str) -> None:
    found, half_a_digit = moments(name, 1.0), 0.5e-6 + 1e-12
    assert (found.mean, found.second, found.slope_second) == pytest.approx(UNIT[name], rel=0, abs=half_a_digit)


def gelu_moments(s: float) -> tuple[float, float, float]:
    """The arc-cosine-like kernels of x·Φ(x) at correlation 1; α = s/(1 + s)."""
    arc, root = math.asin(s / (1 + s)), math.sqrt(1 + 2 * s)
    second = s / 4 * (1 + 2 / math.pi * arc + 4 * s / (math.pi * (1 + s) * root))
    slope = 0.25 + (arc + s / (1 + s) * ((1 + s) * (2 * s + 3) - 2 * s**2) / root**3) / (2 * math.pi)
    return s / math.sqrt(2 * math.pi * (1 + s)), second, slope


def elu_moments(s: float) -> tuple[float, float, float]:
    """E e^(kx) over x < 0 is e^(k²s/2)·Φ(−kσ), the scaled complementary error function at kσ/√2, halved."""
    one, two = (0.5 * float(erfcx(k * math.sqrt(s / 2))) for k in (1, 2))
    # For small s these cancel; s ≥ 0.3 leaves 4 bits of rounding at worst.
    return math.sqrt(s / (2 * math.pi)) + one - 0.5, s / 2 + two - 2 * one + 0.5, 0.5 + two


def hard_tanh_moments(s: float) -> tuple[float, float, float]:
    a = 1 / math.sqrt(s)
    inside, density = 1 - 2 * float(ndtr(-a)), math.exp(-(a**2) / 2) / math.sqrt(2 * math.pi)
    return 0.0, s * (inside - 2 * a * density) + 2 * float(ndtr(-a)), inside


CLOSED: dict[str, Callable[[float], tuple[float, float, float]]] = {
    "identity": lambda s: (0.0, s, 1.0),
    "relu": lambda s: (math.sqrt(s / (2 * math.pi)), s / 2, 0.5),
    "relu2": lambda s: (s / 2, 1.5 * s**2, 2 * s),
    "leaky-relu": lambda s: (0.99 * math.sqrt(s / (2 * math.pi)), 1.0001 * s / 2, 1.0001 / 2),
    "gelu": gelu_moments,
    "hard-tanh": hard_tanh_moments,
    "elu": elu_moments,
}


@pytest.mark.parametrize(("name", "s"), [(n, s) for n in CLOSED for s in VARIANCES if n != "elu" or s > 0.3])
def test_moments_are_the_closed_forms(name: str, s: float) -> None:
    assert_moments(moments(name, s), *CLOSED[name](s))
    with pytest.raises(AssertionError):
        assert_moments(moments(name, s * (1 + 1e-9)), *CLOSED[name](s))


def by_another_rule(entry: Activation, variance: float) -> tuple[float, float, float]:
    """The moments of torch's function and torch's gradient by a tanh-sinh rule."""
    x, weight = gaussian_nodes(variance)
    value, slope = value_and_gradient(entry, x)
    return float(value @ weight), float(value**2 @ weight), float(slope**2 @ weight)


@pytest.mark.parametrize("variance", [1e-12, *VARIANCES, 1e4])
@pytest.mark.parametrize("name", names())
def test_moments_are_those_of_another_rule(name: str, variance: float) -> None:
    assert_moments(moments(name, variance), *by_another_rule(ACTIVATIONS.get(name), variance))


@pytest.mark.parametrize("gated", GATES)
def test_a_gated_layers_moments_are_made_of_its_gates(gated: str) -> None:
    """y = a·f(g), with torch's gradients, on a product of two rules; a has variance 1.7, g has 0.307."""
    points, mass = np.polynomial.hermite_e.hermegauss(3)  # exact for a³ and below; y² has a²
    g_points, g_mass = gaussian_nodes(0.307)
    a = torch.tensor(math.sqrt(1.7) * points[:, None] + 0 * g_points, requires_grad=True)
    g = torch.tensor(0 * points[:, None] + g_points, requires_grad=True)
    y = a * ACTIVATIONS.get(gated).function(g)
    by_a, by_g = torch.autograd.grad(y.sum(), (a, g))
    y = y.detach()
    weight = torch.from_numpy(mass[:, None] / mass.sum() * g_mass)
    found = moments(gated, 0.307)
    assert float((weight * y).sum()) == pytest.approx(0, abs=CLOSE)
    assert float((weight * y**2).sum()) == pytest.approx(1.7 * found.second, rel=CLOSE)
    assert float((weight * by_a**2).sum()) == pytest.approx(found.second, rel=CLOSE)
    assert float((weight * by_g**2).sum()) == pytest.approx(1.7 * found.slope_second, rel=CLOSE)


@pytest.mark.parametrize("name", names())
def test_moments_at_variance_0_are_a_point_mass(name: str) -> None:
    value, slope = value_and_gradient(ACTIVATIONS.get(name), np.zeros(1))
    assert_moments(moments(name, 0.0), value[0], value[0] ** 2, slope[0] ** 2)


@pytest.mark.parametrize("variance", [-1.0, math.nan, math.inf])
def test_what_is_no_variance_is_refused(variance: float) -> None:
    with pytest.raises(InitlabError, match=r"moments of x·Φ\(x\): a variance is finite and not negative"):
        moments("gelu", variance)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InitlabError, match="did you mean 'mish'"):
        moments("misch", 1.0)


@pytest.mark.parametrize("name", ["relu", "elu", "leaky-relu", "relu6", "hard-tanh", "hard-sigmoid", "hard-swish"])
def test_a_kink_that_is_not_declared_is_an_error_not_a_wrong_number(name: str) -> None:
    entry = ACTIVATIONS.get(name)
    with pytest.raises(InitlabError, match="a kink that is not declared"):
        moments(replace(entry, kinks=entry.kinks[1:]), 7.3)


def shifted_relu(x: Tensor) -> Tensor:
    return (x - 0.3).relu()


@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_plug_in_of_torch_alone_has_moments(context: Callable[[], torch.no_grad]) -> None:
    """E (x − k)₊ = σφ(k/σ) − kΦ(−k/σ), E ((x − k)₊)² = (s + k²)Φ(−k/σ) − kσφ(k/σ)."""
    s, k = 0.307, 0.3
    tail, density = float(ndtr(-k / math.sqrt(s))), math.exp(-(k**2) / (2 * s)) / math.sqrt(2 * math.pi)
    expected = math.sqrt(s) * density - k * tail, (s + k**2) * tail - k * math.sqrt(s) * density, tail
    with context():
        assert_moments(moments(Activation(shifted_relu, "(x − 0.3)₊", "a test", kinks=(k,)), s), *expected)
    with pytest.raises(InitlabError, match="not declared"):
        moments(Activation(shifted_relu, "(x − 0.3)₊", "a test"), s)


@pytest.mark.parametrize("name", names())
def test_torchs_derivative_serves_as_well_as_ours(name: str) -> None:
    ours, theirs = moments(name, 0.9), moments(replace(ACTIVATIONS.get(name), exact=None), 0.9)
    assert_moments(theirs, ours.mean, ours.second, ours.slope_second)


def test_a_constant_plug_in_has_no_slope() -> None:
    found = moments(Activation(torch.ones_like, "1", "a test"), 2.0)
    assert_moments(found, 1.0, 1.0, 0.0)
