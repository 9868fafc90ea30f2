"""Power by simulation, and the two questions it answers."""

import numpy as np
import pytest

from initlab.stats.compare import paired
from initlab.stats.power import minimum_detectable_difference, power, seeds_needed
from tests.stats.simulation import slack


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_smallest_effect_is_seen_in_four_of_five_sweeps(n: int) -> None:
    repeats, generator, sd = 2000, np.random.default_rng(n), 0.3
    effect = minimum_detectable_difference(sd, n)
    assert effect is not None
    seen = 0
    for differences in generator.normal(effect, sd, (repeats, n)):
        p = paired(differences, np.zeros(n)).p
        assert p is not None
        seen += p < 0.05
    assert seen / repeats == pytest.approx(0.8, abs=slack(0.8, repeats))


def test_no_effect_is_seen_as_often_as_the_level_says() -> None:
    assert power(0.0, 1.0, 5) == pytest.approx(0.05)
    assert power(1.0, 1.0, 1) == 0.0
    assert power(1e6, 1.0, 3) == 1.0
    assert power(1.0, 0.0, 3) == 1.0


def test_seeds_needed_are_the_fewest() -> None:
    for effect, sd in ((1.0, 0.5), (0.02, 0.03), (0.1, 1.0)):
        n = seeds_needed(effect, sd)
        assert n is not None
        assert power(effect, sd, n) >= 0.8 > power(effect, sd, n - 1)
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1e-4, 1.0) is None, "more than anybody trains"
    assert minimum_detectable_difference(1.0, 1) is None


def test_textbook_sample_size() -> None:
    # Cohen: half a standard deviation, 80% power, two-sided 5%: 34 pairs
    assert seeds_needed(0.5, 1.0) == 34
