"""Figures: the right ones for what a sweep has."""

from pathlib import Path

from initlab.reporting.views.gallery import all_figures
from tests.reporting.stored import Shape, frames_of, make_sweep


def test_a_trained_sweep_has_every_figure_and_an_untrained_one_those_of_init(tmp_path: Path) -> None:
    trained = [view.name for view in all_figures(frames_of(make_sweep(tmp_path / "a").path))]
    assert len(trained) == 10
    untrained = [
        view.name for view in all_figures(frames_of(make_sweep(tmp_path / "b", shapes=[Shape(steps=0)]).path))
    ]
    assert untrained == ["residual-variance", "heat-map", "branches", "gradient-rms", "token-cosine"]
    nothing = make_sweep(tmp_path / "c", outcome=lambda i, a, s: "missing")
    assert all_figures(frames_of(nothing.path)) == []


def test_one_run_is_enough(tmp_path: Path) -> None:
    names = [view.name for view in all_figures(frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path))]
    assert "heat-map" not in names, "one place is no map"
    assert len(names) == 9
