"""The interquartile mean and its bootstrap."""

import numpy as np
import pytest

from initlab.stats.interquartile import interquartile_mean, iqm_interval
from tests.stats.simulation import SHAPES, slack


def test_by_hand() -> None:
    assert interquartile_mean([1.0, 2.0, 3.0, 4.0]) == 2.5
    assert interquartile_mean([0.0, 2.0, 3.0, 1e9]) == 2.5, "a wild quarter changes nothing"
    # six values: the middle 3 are values 1.5 to 4.5, that is half of the 2nd, the 3rd, 4th and half of the 5th
    assert interquartile_mean([9.0, 1.0, 2.0, 4.0, 8.0, 0.0]) == pytest.approx((0.5 * 1 + 2 + 4 + 0.5 * 8) / 3)
    assert interquartile_mean([7.0]) == 7.0
    with pytest.raises(ValueError, match="expected values"):
        interquartile_mean([])


def test_no_interval_of_single_runs_or_few_cells() -> None:
    assert iqm_interval([[1.0, 2.0]] * 9) is None
    assert iqm_interval([[1.0]] * 30) is None
    assert iqm_interval([]) is None


def test_the_interval_is_reproducible() -> None:
    cells = np.random.default_rng(0).normal(size=(12, 3)).tolist()
    assert iqm_interval(cells) == iqm_interval(cells)
    assert iqm_interval(cells) != iqm_interval(cells, seed=1)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("shape", ["gaussian", "heavy-tailed"])
def test_coverage(shape: str, n: int) -> None:
    repeats, cells, generator = 500, 20, np.random.default_rng(n)
    centres = np.linspace(-1, 1, cells)[:, None]  # symmetric, so the interquartile mean is 0
    covered = 0
    for repeat in range(repeats):
        interval = iqm_interval(centres + SHAPES[shape](generator, (cells, n)), seed=repeat, resamples=400)  # type: ignore[arg-type]
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    chance = slack(0.95, repeats, 1.5)
    assert 0.93 - chance <= covered / repeats <= 0.97 + chance


def test_drawing_all_n_again_would_be_too_narrow() -> None:
    """The negative twin: with n draws instead of n - 1 the interval is narrower by √(2/3) at three seeds."""
    generator = np.random.default_rng(0)
    data = generator.normal(size=(40, 3))
    ours = iqm_interval(data.tolist(), resamples=4000)
    assert ours is not None
    naive = [
        interquartile_mean(np.take_along_axis(data, generator.integers(3, size=(40, 3)), axis=1).ravel())
        for _ in range(2000)
    ]
    low, high = np.quantile(naive, [0.025, 0.975])
    assert (high - low) / (ours.high - ours.low) == pytest.approx(np.sqrt(2 / 3), rel=0.12)
