"""Views of training: finished runs as means, others alone."""

from pathlib import Path

from initlab.reporting.views.comparison import final_losses
from initlab.reporting.views.gallery import all_figures
from initlab.reporting.views.training import loss_curves, variance_over_training
from tests.reporting.stored import frames_of, make_sweep


def test_diverged_runs_are_counted_in_the_figure_and_alone_in_the_curves(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", outcome=lambda i, a, s: "diverged" if (i, s) == ("gpt2", 1) else "finished")
    frames = frames_of(folder.path)
    dots, curves = final_losses(frames), loss_curves(frames)
    assert dots is not None
    assert curves is not None
    assert "diverged" in dots.caption
    assert [text for panel in dots.panels for _, text in panel.counts] == ["1/2", "1/2"]
    assert [s.label for s in curves.series if "diverged" in s.label] == [
        "gpt2 · gelu · seed 1 · diverged",
        "gpt2 · relu · seed 1 · diverged",
    ]
    healthy = final_losses(frames_of(make_sweep(tmp_path / "t").path))
    assert healthy is not None
    assert "diverged" not in healthy.caption


def test_all_diverged_draws_what_there_is(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", outcome=lambda i, a, s: "diverged").path)
    names = [view.name for view in all_figures(frames)]
    assert "loss-curves" in names
    assert "final-loss" in names
    assert variance_over_training(frames) is None
