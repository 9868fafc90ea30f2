import numpy as np
import pytest

from initlab.activations.functions import ACTIVATIONS
from initlab.activations.reference import SELU_ALPHA, SELU_SCALE, elu
from tests.formulas import BREAKS, FORMULAS, Array, gaussian_nodes, value_and_gradient

AROUND_KINKS = [kink + side * step for kink in BREAKS for side in (-1, 1) for step in (1e-9, 1e-3)]
GRID: Array = np.sort(np.concatenate([np.linspace(-8.03, 8.03, 403), AROUND_KINKS, [-1e4, -700, -50, 50, 700, 1e4]]))
CLOSE = 1e-12
"""Of 1 + |x|: both sides are a dozen float64 operations of 1 ulp each on numbers of the size of x, or x² in relu2."""


def numpy_pair(name: str, x: Array) -> tuple[Array, Array]:
    reference = ACTIVATIONS.get(name).reference()
    return reference.f(x), reference.df(x)


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_slopes_are_torchs(name: str) -> None:
    assert ACTIVATIONS.get(name).exact is not None
    torchs, gradients = value_and_gradient(ACTIVATIONS.get(name), GRID)
    values, slopes = numpy_pair(name, GRID)
    room = CLOSE * (1 + np.abs(GRID)) * (1 + np.abs(GRID) * (name == "relu2"))
    assert (np.abs(values - torchs) <= room).all()
    assert (np.abs(slopes - gradients) <= room).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_slope_at_0_is_the_one_torch_takes(name: str) -> None:
    zero = np.zeros(1)
    assert numpy_pair(name, zero)[1] == pytest.approx(value_and_gradient(ACTIVATIONS.get(name), zero)[1], rel=CLOSE)


@pytest.mark.parametrize("name", FORMULAS)
def test_slope_jumps_nowhere_else_than_at_the_kinks(name: str) -> None:
    """No second difference of the function is of the size of a jump, h, except across a declared kink."""
    h = 2.0**-10
    x = np.arange(-10, 10, h) + h / 3
    slopes = numpy_pair(name, x)[1]
    jumps = {float(np.round(x[i])) for i in np.flatnonzero(np.abs(np.diff(slopes)) > 8 * h)}
    assert jumps <= set(ACTIVATIONS.get(name).kinks)
    others = set(ACTIVATIONS.get(name).kinks) - {0.0}  # 0 is declared by default
    assert others <= jumps


def test_selus_constants_are_the_ones_that_normalise() -> None:
    """Klambauer et al.'s definition: E f = 0 and E f² = 1 on N(0, 1), to the last bits of the two constants."""
    x, weight = gaussian_nodes(1.0)
    below, above = elu(np.minimum(x, 0))[0], np.maximum(x, 0)
    f = SELU_SCALE * (above + SELU_ALPHA * below)
    assert f @ weight == pytest.approx(0, abs=1e-13)
    assert f**2 @ weight == pytest.approx(1, abs=1e-13)
    assert (SELU_SCALE * (above + 1.6733 * below)) @ weight != pytest.approx(0, abs=1e-6)
