import math

import numpy as np
import pytest

from initlab.activations.quadrature import Array, gaussian_means

VARIANCES = (1e-12, 1e-4, 0.307, 1.0, 7.3, 400.0, 1e4)
ROUNDING = 1e-13
"""Sums of 2,000 terms of one sign in float64, eps = 2e-16, err by √2,000 eps typically; ten times that."""


def powers(x: Array) -> Array:
    return np.stack([x**0, x, x**2, x**4, x**6])


@pytest.mark.parametrize("variance", VARIANCES)
def test_powers_have_the_moments_of_a_gaussian(variance: float) -> None:
    one, mean, second, fourth, sixth = gaussian_means(powers, variance)
    assert one == pytest.approx(1, rel=ROUNDING)
    assert abs(mean) < ROUNDING * math.sqrt(variance)
    assert second == pytest.approx(variance, rel=ROUNDING)
    assert fourth == pytest.approx(3 * variance**2, rel=ROUNDING)
    assert sixth == pytest.approx(15 * variance**3, rel=ROUNDING)


@pytest.mark.parametrize("variance", [1e-4, 0.307, 1.0, 7.3, 30.0])
def test_a_wave_has_the_gaussians_characteristic_function(variance: float) -> None:
    (found,) = gaussian_means(lambda x: np.cos(x)[None], variance)
    assert found == pytest.approx(math.exp(-variance / 2), abs=ROUNDING)
    assert found != pytest.approx(math.exp(-variance * 1.001 / 2), abs=ROUNDING)


@pytest.mark.parametrize("kink", [0.3, -1.7])
@pytest.mark.parametrize("variance", [0.307, 1.0, 7.3, 400.0])
def test_a_kink_is_exact_where_it_is_declared_and_an_error_where_it_is_not(kink: float, variance: float) -> None:
    def step(x: Array) -> Array:
        return (x > kink)[None].astype(np.float64)

    (found,) = gaussian_means(step, variance, [kink])
    assert found == pytest.approx(0.5 * math.erfc(kink / math.sqrt(2 * variance)), rel=ROUNDING)
    with pytest.raises(ArithmeticError, match="has a kink that is not declared"):
        gaussian_means(step, variance)
    with pytest.raises(ArithmeticError):
        gaussian_means(step, variance, [kink + 0.01])


def test_variance_0_is_a_point_mass() -> None:
    assert gaussian_means(lambda x: np.stack([x + 3, np.cos(x)]), 0.0).tolist() == [3.0, 1.0]


@pytest.mark.parametrize("variance", [-1e-9, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_variance_is_an_error(variance: float) -> None:
    with pytest.raises(ValueError, match=f"finite and not negative, got {variance}"):
        gaussian_means(powers, variance)


def test_a_mean_that_overflows_is_an_error() -> None:
    with pytest.raises(ArithmeticError, match="too large"):
        gaussian_means(powers, 1e200)
