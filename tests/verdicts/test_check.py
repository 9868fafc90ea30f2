"""The engine: an interval against bounds, and what a family of checks allows to be said."""

import math

import numpy as np
import pytest

from initlab.stats.compare import estimate_mean
from initlab.stats.optima import Optima, Optimum
from initlab.stats.rates import Rate
from initlab.stats.ties import float_resolution
from initlab.verdicts.check import (
    ALL_EQUAL,
    Bounds,
    Check,
    Outcome,
    check_estimate,
    check_every,
    decide,
    decide_file,
)
from tests.stats.simulation import shared_seeds, slack


def _check(values: list[float], bounds: Bounds, *, log: bool = False, fixed: bool = False) -> Check:
    numbers = [math.log(value) for value in values] if log else values
    estimate = estimate_mean(numbers, float_resolution(np.array(numbers)) if fixed else None)
    return check_estimate(Check("cell", "metric", bounds), estimate, 0.95, log=log, value=numbers[0])


@pytest.mark.parametrize(
    ("values", "bounds", "outcome"),
    [
        ([1.0, 1.01, 0.99], (-math.inf, 2.0), "holds"),
        ([1.0, 1.01, 0.99], (2.0, math.inf), "fails"),
        ([1.0, 1.01, 0.99], (-math.inf, 1.005), "open"),
        ([1.0, 1.01, 0.99], (0.5, 1.5), "holds"),
        ([1.0], (-math.inf, 2.0), "open"),
        ([1.0, 1.0, 1.0], (-math.inf, 1.0), "open"),
        ([1.0, 1.0, 1.0], (-math.inf, 0.9), "open"),
    ],
)
def test_outcomes(values: list[float], bounds: Bounds, outcome: Outcome) -> None:
    assert decide([_check(values, bounds)], 0.05) == [outcome]


def test_a_number_that_a_law_fixes_is_held_against_a_bound_as_it_is() -> None:
    checks = [_check([1.0, 1.0, 1.0], (-math.inf, bound), fixed=True) for bound in (1.0, 0.9)]
    assert [decide([check], 0.05) for check in checks] == [["holds"], ["fails"]]
    assert ALL_EQUAL in _check([1.0, 1.0, 1.0], (-math.inf, 2.0)).note, "where no law does, they say nothing"


def test_a_bound_without_a_value() -> None:
    at_an_end, anywhere = (
        Optima(((1.0, Optimum((0.0, 1.0, 2.0), 0, p_best, None, 3)),))
        for p_best in ((1.0, 0.01, 0.01), (1.0, 0.4, 0.4))
    )
    check = check_estimate(Check("cell", "metric", (-math.inf, 1.5)), at_an_end, 0.95)
    assert (check.value, check.inside) == (None, True)
    assert check.describe() == "at most 1 (one-sided) over 3 seeds, limit <= 1.5"
    blank = check_estimate(Check("cell", "m", (-math.inf, 2.0), note="why"), anywhere, 0.95)
    assert (blank.interval, blank.describe(), decide([blank], 0.05)) == (None, "why", ["open"])


def test_a_rate_is_tested_exactly() -> None:
    low, high = (
        check_estimate(Check("cell", "diverged", (-math.inf, bound)), Rate(2, 5), 0.95) for bound in (0.0, 0.9)
    )
    assert decide([low, high], 0.05) == ["fails", "holds"]
    never = check_estimate(Check("cell", "diverged", (-math.inf, 0.0)), Rate(0, 5), 0.95)
    assert decide([never], 0.05) == ["open"], "none of five is not never"


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_a_file_of_true_statements_at_their_bound_is_refuted_in_at_most_six_percent(
    n: int, correlation: float
) -> None:
    """500 files of 25; claim by claim most files hold a false REFUTED, which is the negative twin."""
    generator, files = np.random.default_rng(n), 500
    whole = single = 0
    for _ in range(files):
        checks = [_check(list(row), (-math.inf, 0.0)) for row in shared_seeds(generator, (25, n), correlation)]
        whole += any(found == ["fails"] for found in decide_file([[check] for check in checks], 0.95))
        single += any(decide([check], 0.05) == ["fails"] for check in checks)
    assert whole / files <= 0.06 + slack(0.05, files)
    assert single / files > 0.3


def test_nor_is_a_false_statement_of_a_file_supported_more_often() -> None:
    """Two groups each, of which one is exactly at the bound and so does not hold with room."""
    generator, files = np.random.default_rng(0), 250
    whole = single = 0
    for _ in range(files):
        statements = [
            [_check(list(row), (0.0, math.inf)), _check(list(row + 50), (0.0, math.inf))]
            for row in generator.standard_normal((25, 5))
        ]
        whole += any(found == ["holds", "holds"] for found in decide_file(statements, 0.95))
        single += any(decide(group, 0.05) == ["holds", "holds"] for group in statements)
    assert whole / files <= 0.025 + slack(0.025, files)
    assert single / files > 0.3


def test_a_family_leaves_out_what_is_no_test() -> None:
    blank = Check("cell", "metric", (-math.inf, 2.0))
    clear = _check([1.0, 1.01, 0.99], (-math.inf, 2.0))
    every = [[check_every(blank, [1.0, 1.9])]] * 50
    assert decide_file([[clear], *every], 0.95) == [["holds"]] * 51


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
