"""Exponents, and the verdict of a coordinate check."""

import numpy as np
import pytest

from initlab.stats.slopes import coordinate_check, loglog_slope

WIDTHS = (64, 128, 256, 512)


def _curves(exponent: float, noise: float, seeds: int = 3) -> list[dict[float, float]]:
    generator = np.random.default_rng(0)
    return [{w: 3.0 * w**exponent * float(np.exp(generator.normal(0, noise))) for w in WIDTHS} for _ in range(seeds)]


def test_a_power_law_is_read_off_exactly() -> None:
    assert loglog_slope({w: 3.0 * w**1.5 for w in WIDTHS}) == pytest.approx(1.5)
    assert loglog_slope({64: 1.0}) is None
    assert loglog_slope({64: 1.0, 128: 0.0}) is None


@pytest.mark.parametrize(
    ("exponent", "noise", "trend"),
    [(0.0, 0.01, "constant"), (0.5, 0.05, "grows"), (-0.5, 0.05, "shrinks"), (0.1, 0.05, "undecided")],
)
def test_verdicts(exponent: float, noise: float, trend: str) -> None:
    found = coordinate_check(_curves(exponent, noise))
    assert found is not None
    assert found.trend == trend


def test_one_seed_has_an_exponent_and_no_verdict() -> None:
    found = coordinate_check(_curves(1.0, 0.0, seeds=1))
    assert found is not None
    assert found.exponent == pytest.approx(1.0)
    assert (found.interval, found.trend) == (None, "undecided")
    assert coordinate_check([]) is None


def test_coverage_of_the_exponent() -> None:
    repeats, covered, generator = 1500, 0, np.random.default_rng(1)
    for noise in np.exp(generator.normal(0, 0.2, (repeats, 3, len(WIDTHS)))):
        found = coordinate_check([{w: w**0.5 * float(e) for w, e in zip(WIDTHS, row, strict=True)} for row in noise])
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= 0.5 <= found.interval.high
    assert 0.93 <= covered / repeats <= 0.97
