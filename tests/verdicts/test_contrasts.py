"""Comparisons of inits and activations within their settings."""

from pathlib import Path

import numpy as np
import pytest

from initlab.verdicts.contrasts import contrasts, pooled_contrasts
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
    assert (found[3].p, found[3].comparison.interval) == (1.0, (0.0, 0.0))
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
    assert row.interval.low < row.difference < row.interval.high
    assert row.interval.low < 0.1 < row.interval.high
    assert pooled_contrasts(found[:5]) == [], "too few settings for a bootstrap"
