"""Integrals against softmaxes that are drawn, and the limits that are known."""

import math

import numpy as np
import pytest

from initlab.theory.softmax import (
    Array,
    Sharpening,
    expected_log_sum,
    own_probability,
    participation,
    participation_at,
)
from tests.assertions import sigmas

DRAWS = 4000
K = sigmas(40)


def logits(variance: float, count: int, own: tuple[float, float] | None = None) -> Array:
    rng = np.random.default_rng(count)
    drawn = rng.normal(size=(DRAWS, count)) * math.sqrt(variance)
    if own is None:
        return drawn
    mean, spread = own
    return np.concatenate([drawn, mean + math.sqrt(spread) * rng.normal(size=(DRAWS, 1))], axis=1)


def assert_mean(values: Array, expected: float) -> None:
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - expected) <= K * error + 1e-12, f"{values.mean()} ± {error}, expected {expected}"


def log_sum(drawn: Array) -> Array:
    top = drawn.max(1, keepdims=True)
    total: Array = top[:, 0] + np.log(np.exp(drawn - top).sum(1))
    return total


@pytest.mark.parametrize("variance", [0.01, 0.5, 2.0, 9.0, 40.0])
@pytest.mark.parametrize("count", [2, 17, 300])
def test_participation(variance: float, count: int) -> None:
    drawn = logits(variance, count)
    weights = np.exp(drawn - log_sum(drawn)[:, None])
    (found,) = participation(np.array([variance]), np.array([count]))[0]
    assert_mean((weights**2).sum(1), found)


def test_participation_at_small_variance_and_in_the_frozen_phase() -> None:
    count, x = 50, 1e-3
    (found,) = participation(np.array([x]), np.array([count]))[0]
    # The next term is of the order of (e^x - 1 - x)/t.
    assert found == pytest.approx(1 / count + x / count * (1 - 1 / count), abs=x**2 / count)
    assert participation(np.array([4000.0]), np.array([count]))[0, 0] > 0.9
    assert participation(np.array([0.0, 3.0]), np.array([1.0])) == pytest.approx(1)


@pytest.mark.parametrize("variance", [0.1, 1.3, 4.0, 20.0])
@pytest.mark.parametrize("count", [65, 400])
def test_expected_log_sum(variance: float, count: int) -> None:
    assert_mean(log_sum(logits(variance, count)), expected_log_sum(variance, count))


@pytest.mark.parametrize(("mean", "spread"), [(6.0, 0.5), (-1.0, 0.3), (40.0, 1.0), (0.0, 2.0)])
def test_a_token_that_the_head_knows(mean: float, spread: float) -> None:
    drawn = logits(1.5, 200, (mean, spread))
    total = log_sum(drawn)
    assert_mean(total, expected_log_sum(1.5, 200, mean, spread))
    assert_mean(np.exp(drawn[:, -1] - total), own_probability(1.5, 200, mean, spread))


def test_even_logits() -> None:
    assert expected_log_sum(0.0, 65) == pytest.approx(math.log(65), abs=1e-9)
    assert own_probability(0.0, 64, 0.0, 0.0) == pytest.approx(1 / 65, rel=1e-9)


def test_the_table_is_the_integral() -> None:
    rng = np.random.default_rng(0)
    variance, time = rng.uniform(0, 60, 60), rng.integers(2, 700, 60).astype(np.float64)
    exact = np.array([participation(np.array([x]), np.array([t]))[0, 0] for x, t in zip(variance, time, strict=True)])
    assert Sharpening(700).participation(variance, time) == pytest.approx(exact, rel=0.005)
    assert Sharpening(700).gain(np.zeros(60), time) == pytest.approx(1)


@pytest.mark.parametrize("top", [0.02, 1.0, 30.0])
def test_the_table_at_one_count_is_the_integral(top: float) -> None:
    variance = np.linspace(0, top, 7).reshape(7, 1)
    exact = participation(variance[:, 0], np.array([500.0]))
    assert participation_at(variance, 500) == pytest.approx(exact, rel=0.005)
    assert participation_at(-variance, 500) == pytest.approx(1 / 500), "covariances below 0 count as 0"
