"""Verdicts on curves whose law is known."""

import math

import numpy as np
import pytest

from initlab.errors import InitlabError
from initlab.theory.growth import Growth, curve, fit

X = np.arange(13.0)


@pytest.mark.parametrize(
    ("law", "values", "start", "rate"),
    [
        ("constant", np.full(13, 0.3), 0.3, 0.0),
        ("linear", 0.5 + 2 * X, 0.5, 2.0),
        ("logarithmic", 1 + 0.7 * np.log1p(X), 1.0, 0.7),
        ("exponential", 0.1 * np.exp(0.3 * X), 0.1, 0.3),
        ("exponential", 5 * np.exp(-0.2 * X), 5.0, -0.2),
        ("linear", 9 - 0.5 * X, 9.0, -0.5),
    ],
)
def test_a_pure_law(law: str, values: np.ndarray, start: float, rate: float) -> None:
    found = fit(values.tolist())
    assert found.law == law
    assert found.r2 == pytest.approx(1)
    assert (found.start, found.rate) == pytest.approx((start, rate))
    assert found.ratio == pytest.approx(values[-1] / values[0])
    assert curve(found.law, X, found.start, found.rate) == pytest.approx(values)


def test_depths_need_not_be_neighbours() -> None:
    at = [2.0, 3.0, 8.0, 96.0]
    found = fit([4 + 0.5 * x for x in at], at)
    assert found.law == "linear"
    assert (found.start, found.rate) == pytest.approx((4, 0.5))
    assert fit([4 + 0.5 * x for x in at]).rate != pytest.approx(0.5)


def noisy(values: np.ndarray, relative: float) -> Growth:
    return fit((values * (1 + relative * np.random.default_rng(0).normal(size=len(values)))).tolist())


def test_noise_of_one_draw_does_not_change_the_verdict() -> None:
    assert noisy(0.5 + 2 * X, 0.03).law == "linear"
    assert noisy(1 + 2 * np.log1p(X), 0.03).law == "logarithmic"
    assert noisy(np.exp(0.3 * X), 0.03).law == "exponential"
    assert noisy(np.full(13, 2.0), 0.01).law == "constant"


def test_constant_means_within_a_tenth() -> None:
    assert fit([1.0, 1.05, 1.099]).law == "constant"
    assert fit([1.0, 1.06, 1.12]).law != "constant"


def test_r2_says_when_no_law_fits() -> None:
    jagged = fit([1.0, 9.0, 1.0, 9.0, 1.0, 9.0])
    assert jagged.r2 < 0.5
    assert set(jagged.scores) == {"constant", "logarithmic", "linear", "exponential"}
    assert jagged.r2 == jagged.scores[jagged.law]


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 0.0, 2.0], [1.0, math.nan, 2.0], [1.0, math.inf, 1.0]])
def test_what_cannot_be_fitted(values: list[float]) -> None:
    with pytest.raises(InitlabError, match="three or more"):
        fit(values)
