"""Views of networks at init: the stored numbers, averaged over seeds."""

from pathlib import Path

import pytest

from initlab.reporting.views.at_init import branches, first_updates, residual_variance
from initlab.reporting.views.panels import at_init, lay_out
from initlab.results.reading import load_results
from tests.reporting.stored import Shape, frames_of, make_sweep

MLP = ("ffn_up", "ffn_down")


def test_a_line_is_the_mean_over_seeds(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1, 2])
    view = residual_variance(frames_of(folder.path))
    assert view is not None
    (series,) = view.series
    stored = [folder.run(entry.id).layers()[0]["residual_var"] for entry in load_results(folder.path).runs]
    assert series.y == pytest.approx([sum(site) / 3 for site in zip(*stored, strict=True)])
    assert series.x == (0, 0.5, 1, 1.5, 2)


def test_the_first_update_is_that_of_step_1_and_of_trained_cells(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(lr=1e-3), Shape(lr=3e-3), Shape(steps=0)])
    view = first_updates(frames_of(folder.path))
    assert view is not None
    rows = [folder.run(entry.id).layers() for entry in load_results(folder.path).runs[:2]]
    stored = [row[f"update_ratio_{role}"] for run in rows for row in run if row["step"] == 1 for role in MLP]
    assert sorted(list(series.y) for series in view.series) == sorted(stored)  # a panel a learning rate and role
    assert len({tuple(values) for values in stored}) == 4
    assert first_updates(frames_of(make_sweep(tmp_path / "t", shapes=[Shape(steps=0)]).path)) is None


def test_what_is_zero_is_named_where_a_log_axis_cannot_show_it(tmp_path: Path) -> None:
    view = branches(frames_of(make_sweep(tmp_path / "s").path))
    assert view is not None
    assert "Zero, and so not on a logarithmic axis: depth-scaled · gelu, depth-scaled · relu." in view.caption


def test_training_knobs_make_no_panels_at_init(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", shapes=[Shape(lr=1e-3), Shape(lr=3e-3)]).path)
    assert len(lay_out(list(frames.results.cells), at_init).panels) == 1
    view = residual_variance(frames)
    assert view is not None
    assert len(view.series) == 4
