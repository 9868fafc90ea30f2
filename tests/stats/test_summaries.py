import math

import pytest

from initlab.stats.compare import estimate_mean, mean_interval
from initlab.stats.summaries import geometric_mean, mean, standard_deviation


def test_known_values() -> None:
    assert mean([1.0, 2.0, 6.0]) == 3.0
    assert standard_deviation([1.0, 2.0, 6.0]) == pytest.approx(math.sqrt(7))
    assert geometric_mean([1.0, 4.0, 2.0]) == pytest.approx(2.0)


def test_students_interval_at_three_seeds() -> None:
    # t(2 degrees of freedom, 97.5%) = 4.3027, from any table
    interval = mean_interval([1.0, 2.0, 6.0])
    assert interval is not None
    half = 4.302652729749462 * math.sqrt(7) / math.sqrt(3)
    assert interval.low == pytest.approx(3 - half)
    assert interval.high == pytest.approx(3 + half)


def test_less_confidence_is_narrower() -> None:
    wide, narrow = mean_interval([1.0, 2.0, 6.0]), mean_interval([1.0, 2.0, 6.0], confidence=0.5)
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high


def test_one_value_has_no_spread_and_none_has_no_mean() -> None:
    assert mean([2.5]) == 2.5
    assert standard_deviation([2.5]) is None
    assert mean_interval([2.5]) is None
    assert mean([]) is None
    assert geometric_mean([]) is None


def test_geometric_mean_of_zero_and_of_negatives() -> None:
    assert geometric_mean([0.0, 5.0]) == 0.0
    with pytest.raises(ValueError, match="negative"):
        geometric_mean([-1.0, 5.0])


def test_the_interval_of_a_mean_is_that_of_its_estimate() -> None:
    """So that what is simulated for one holds for the other."""
    values = [1.0, 2.0, 6.0, 4.5]
    estimate = estimate_mean(values)
    assert estimate is not None
    assert mean_interval(values) == pytest.approx(estimate.interval())
