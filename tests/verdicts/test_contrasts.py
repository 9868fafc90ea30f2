"""Comparisons of inits and activations within their settings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from initlab.stats.compare import Comparison, compare
from initlab.stats.summaries import Interval
from initlab.verdicts.contrasts import Contrast, contrasts, pooled_contrasts
from tests.stats.simulation import bootstrap_over_cells, shared_seeds, slack
from tests.verdicts.planted import DIVERGED, MISSING, Planted, around, store

NOISE = (0.0, 0.02, -0.02)


def _shifted(gap: float, jitter: float = 0.001) -> dict[int, float | str]:
    return around(2.5 + gap, (NOISE[0] + jitter, NOISE[1], NOISE[2] - jitter))


def test_different_tie_and_undecided(tmp_path: Path) -> None:
    cells = [
        Planted(around(2.5, NOISE)),
        Planted(_shifted(0.2), init="depth-scaled"),
        Planted(_shifted(0.001), init="note-proj-0.02"),
        Planted(_shifted(0.05, jitter=0.05), init="pytorch"),
        Planted(around(2.5, NOISE), init="gpt2-released", laws="gpt2"),
    ]
    found = contrasts(store(tmp_path / "x", cells))
    assert [(contrast.candidate, contrast.reference, contrast.answer) for contrast in found] == [
        ("depth-scaled", "gpt2", "different"),
        ("note-proj-0.02", "gpt2", "tie"),
        ("pytorch", "gpt2", "undecided"),
        ("gpt2-released", "gpt2", "tie"),
    ]
    assert found[0].comparison.difference == pytest.approx(0.2)
    assert found[0].p is not None
    assert found[0].comparison.p is not None
    assert found[0].p == pytest.approx(4 * found[0].comparison.p), "four comparisons are a family"
    assert found[3].p == 1.0
    assert found[3].comparison.interval == pytest.approx((0.0, 0.0), abs=1e-5)
    assert found[2].exact is not None
    assert found[2].exact.describe() == "an exact test needs >= 6 seeds"
    assert found[2].minimum_detectable is not None
    assert found[2].minimum_detectable > 0.05


def test_settings_are_kept_apart_and_activations_compared_too(tmp_path: Path) -> None:
    cells = [
        Planted(around(2.5, NOISE), init=init, activation=activation, axes={"model.n_layer": depth})
        for init in ("gpt2", "pytorch")
        for activation in ("gelu", "relu")
        for depth in (2, 4)
    ]
    found = contrasts(store(tmp_path / "x", cells))
    assert len(found) == 8
    assert {contrast.setting for contrast in found if contrast.candidate == "pytorch"} == {
        *("gelu · n_layer=2", "gelu · n_layer=4", "relu · n_layer=2", "relu · n_layer=4")
    }
    assert {contrast.setting for contrast in found if contrast.candidate == "relu"} == {
        *("gpt2 · n_layer=2", "gpt2 · n_layer=4", "pytorch · n_layer=2", "pytorch · n_layer=4")
    }


def test_diverged_runs_count_and_unfinished_cells_do_not(tmp_path: Path) -> None:
    cells = [
        Planted(around(2.5, NOISE)),
        Planted({0: 2.4, 1: DIVERGED, 2: 2.4}, init="pytorch"),
        Planted({0: 2.4, 1: MISSING}, init="depth-scaled"),
    ]
    (found,) = contrasts(store(tmp_path / "x", cells))
    assert (found.candidate, found.diverged) == ("pytorch", 1)
    assert found.comparison.difference > 0.4, "the lost seed outweighs two that are better"
    assert found.diverged_rate.low < 1 / 3 < found.diverged_rate.high


def test_other_seeds_are_compared_unpaired(tmp_path: Path) -> None:
    cells = [Planted(around(2.5, NOISE)), Planted(around(2.9, NOISE, first_seed=5), init="pytorch")]
    (found,) = contrasts(store(tmp_path / "x", cells))
    assert found.comparison.method == "Welch t"
    assert found.exact is not None
    assert found.exact.smallest_p == 0.1
    assert found.minimum_detectable is None


def test_one_number_over_many_settings(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    cells = [
        Planted(around(2.5 + gap, generator.normal(0, 0.01, 3)), init=init, axes={"model.n_layer": depth})
        for depth in range(1, 13)
        for init, gap in (("gpt2", 0.0), ("pytorch", 0.1))
    ]
    found = contrasts(store(tmp_path / "x", cells))
    (row,) = pooled_contrasts(found)
    assert (row.candidate, row.reference, row.settings) == ("pytorch", "gpt2", 12)
    assert (row.n, row.left_out) == (3, 0)
    # one number a seed, the mean over settings, then Student's interval over seeds
    by_seed = np.mean([contrast.comparison.differences for contrast in found], axis=0)
    half = 4.302652729749462 * by_seed.std(ddof=1) / np.sqrt(3)
    assert row.interval == pytest.approx((by_seed.mean() - half, by_seed.mean() + half), abs=1e-6)
    assert pooled_contrasts(found[:1]) == [], "one setting is in the table already"


def _contrast(losses: dict[int, float], reference: dict[int, float]) -> Contrast:
    comparison = compare(losses, reference)
    return Contrast(
        *("b", "a", "setting", 3, comparison, None, None, "undecided", None, 0, Interval(0.0, 1.0)),
        losses=losses,
        reference_losses=reference,
    )


def test_seeds_that_some_setting_lacks_are_left_out_of_all() -> None:
    whole = _contrast({0: 1.0, 1: 1.2, 2: 1.4, 3: 9.0}, {0: 0.5, 1: 0.6, 2: 0.8, 3: 1.0})
    short = _contrast({0: 2.0, 1: 2.1, 2: 2.2}, {0: 1.0, 1: 1.0, 2: 1.0, 3: 5.0})
    (row,) = pooled_contrasts([whole, short])
    assert (row.n, row.left_out) == (3, 1)
    assert row.comparison.differences == pytest.approx((0.75, 0.85, 0.9))
    assert pooled_contrasts([whole, _contrast({7: 1.0, 8: 2.0}, {7: 1.5, 8: 1.0})]) == [], "no seed in common"


def test_arms_that_share_no_seeds_are_reduced_each_for_itself() -> None:
    settings = [_contrast({0: x, 1: x + 0.2}, {5: 1.0, 6: 1.1}) for x in (1.0, 3.0)]
    (row,) = pooled_contrasts(settings)
    assert row.comparison.method == "Welch t"
    assert row.difference == pytest.approx(2.1 - 1.05)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.4])
def test_one_number_over_cells_that_share_seeds_covers(n: int, correlation: float) -> None:
    """Twenty cells, 400 sweeps: 92% asked for, give or take three binomial errors of 95%."""
    repeats, generator, ours, cells = 400, np.random.default_rng(n), 0, 0
    for _ in range(repeats):
        differences = shared_seeds(generator, (20, n), correlation)
        zero = dict.fromkeys(range(n), 0.0)
        nothing = Comparison("paired t", 0.0, None)
        blank = Contrast(*("b", "a", "", n, nothing, None, None, "undecided", None, 0, Interval(0.0, 1.0)))
        rows = [replace(blank, losses=dict(enumerate(row)), reference_losses=zero) for row in differences.tolist()]
        (row,) = pooled_contrasts(rows)
        assert row.interval is not None
        ours += row.interval.low <= 0 <= row.interval.high
        if correlation == 0.4:
            low, high = bootstrap_over_cells(differences, generator, 100)
            cells += low <= 0 <= high
    assert 0.92 <= ours / repeats <= 0.95 + slack(0.95, repeats)
    if correlation == 0.4:
        assert cells / repeats < 0.75, "the negative twin: cells taken for independent"
