"""The engine: an interval against bounds, and what a family of checks allows to be said."""

import math

import numpy as np
import pytest

from initlab.stats.compare import estimate_mean
from initlab.verdicts.check import Bounds, Check, Outcome, check_estimate, check_every, decide


def _check(values: list[float], bounds: Bounds, *, log: bool = False) -> Check:
    numbers = [math.log(value) for value in values] if log else values
    return check_estimate(Check("cell", "metric", bounds), estimate_mean(numbers), 0.95, log=log, value=numbers[0])


@pytest.mark.parametrize(
    ("values", "bounds", "outcome"),
    [
        ([1.0, 1.01, 0.99], (-math.inf, 2.0), "holds"),
        ([1.0, 1.01, 0.99], (2.0, math.inf), "fails"),
        ([1.0, 1.01, 0.99], (-math.inf, 1.005), "open"),
        ([1.0, 1.01, 0.99], (0.5, 1.5), "holds"),
        ([1.0], (-math.inf, 2.0), "open"),
        ([1.0, 1.0, 1.0], (-math.inf, 1.0), "holds"),
        ([1.0, 1.0, 1.0], (-math.inf, 0.9), "fails"),
    ],
)
def test_outcomes(values: list[float], bounds: Bounds, outcome: Outcome) -> None:
    assert decide([_check(values, bounds)], 0.05) == [outcome]


def test_the_interval_shown_is_students() -> None:
    check = _check([1.0, 2.0, 6.0], (-math.inf, 2.0))
    assert check.interval is not None
    assert check.interval.low == pytest.approx(3 - 4.302652729749462 * math.sqrt(7 / 3))
    assert "3 [-3.572, 9.572] over 3 seeds, limit <= 2" in check.describe()


def test_on_the_log_scale_means_are_geometric() -> None:
    check = _check([1.0, 4.0, 2.0], (-math.inf, 100.0), log=True)
    assert check.value == pytest.approx(2.0)
    assert check.interval is not None
    assert check.interval.low * check.interval.high == pytest.approx(4.0), "symmetric as a factor"
    assert check.limit == 100.0
    assert decide([_check([1.0, 1.1, 1.2], (0.0, 2.0), log=True)], 0.05) == ["holds"], "no logarithm of a bound of 0"


def test_every_value_counts_where_it_is_asked_for() -> None:
    blank = Check("cell", "metric", (-math.inf, 2.0))
    good, bad = check_every(blank, [1.0, 1.9]), check_every(blank, [1.0, 2.1])
    assert decide([good, bad], 0.005) == ["holds", "fails"]
    assert (bad.value, bad.n, bad.interval) == (2.1, 2, None)
    assert decide([check_every(blank, [1.0, math.inf])], 0.05) == ["fails"]


def test_a_check_without_a_number_is_unknown_and_counts_in_no_family() -> None:
    red = _check([3.0, 3.01, 2.99], (-math.inf, 2.0))
    lost = Check("cell", "metric", (-math.inf, 2.0), problem="seed 1 failed")
    assert decide([red] + [lost] * 50, 0.005) == ["fails"] + ["unknown"] * 50


def test_a_family_needs_more_evidence() -> None:
    weak = _check([2.5, 2.6, 2.4], (-math.inf, 2.2))
    assert weak.p_outside is not None
    assert 0.01 < weak.p_outside < 0.05
    assert decide([weak], 0.05) == ["fails"]
    assert decide([weak] * 6, 0.05) == ["open"] * 6


def test_one_seed_and_a_near_miss_say_what_would_decide() -> None:
    assert "one seed" in _check([1.0], (-math.inf, 2.0)).note
    assert "seeds would decide it" in _check([1.0, 1.2, 0.8], (-math.inf, 1.1)).describe()
    assert "seeds would decide it" not in _check([1.0, 1.2, 0.8], (-math.inf, 1.1)).describe(outcome="fails")


@pytest.mark.parametrize("n", [3, 5])
def test_with_nothing_wrong_a_family_is_red_in_at_most_one_percent(n: int) -> None:
    """The worst case of a one-sided limit: the truth is exactly at it."""
    generator, family = np.random.default_rng(n), 6
    red = sum(
        "fails" in decide([_check(list(cell), (-math.inf, 0.0)) for cell in sweep], 0.005)
        for sweep in generator.standard_normal((2000, family, n))
    )
    assert red / 2000 <= 0.01
