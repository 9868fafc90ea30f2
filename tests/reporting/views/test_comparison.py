"""Views that compare cells: every seed, the mean, and what diverged."""

from pathlib import Path

import pytest

from initlab.reporting.views.comparison import final_losses, heat_map
from initlab.results.reading import load_results
from tests.reporting.stored import frames_of, make_sweep


def test_seed_dots_and_mean_are_the_summaries(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1])
    view = final_losses(frames_of(folder.path))
    assert view is not None
    losses = [(folder.run(entry.id).summary() or {})["val_loss"] for entry in load_results(folder.path).runs]
    values = {series.label: series.x[0] for series in view.series}
    assert values["gpt2 · gelu · seed 0"] == losses[0]
    assert values["gpt2 · gelu · mean"] == pytest.approx(sum(losses) / 2)


def test_a_heat_map_has_a_place_for_every_pair_and_none_where_nothing_was_measured(tmp_path: Path) -> None:
    def outcome(init: str, activation: str, seed: int) -> str:
        return "missing" if (init, activation) == ("gpt2", "relu") else "finished"

    frames = frames_of(make_sweep(tmp_path / "s", outcome=outcome).path)
    view = heat_map(frames)
    assert view is not None
    heat = view.panels[0].heat
    assert heat is not None
    means = frames.runs.groupby(["init", "activation"])["final_loss"].mean()
    for init, row in zip(heat.rows, heat.values, strict=True):
        for activation, value in zip(heat.columns, row, strict=True):
            assert (value is None) == ((init, activation) == ("gpt2", "relu"))
            if value is not None:
                assert value == pytest.approx(means[init, activation])
