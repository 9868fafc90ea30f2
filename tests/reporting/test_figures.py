"""Figures: the right ones, with the stored numbers in them."""

import re
from pathlib import Path

import pytest

from initlab.reporting.figures import draw_all
from initlab.reporting.figures_compare import final_losses, heat_map
from initlab.reporting.figures_init import branches, first_updates, residual_variance
from initlab.reporting.figures_training import layer_profiles, loss_curves, variance_over_training
from initlab.reporting.panels import at_init, lay_out
from initlab.results.reading import load_results
from tests.reporting.stored import Shape, frames_of, make_sweep

MLP = ("ffn_up", "ffn_down")
LONG = [f"note-sqrt-2-over-depth-{number}" for number in range(9)]


def test_a_trained_sweep_has_every_figure_and_an_untrained_one_those_of_init(tmp_path: Path) -> None:
    trained = [drawing.name for drawing in draw_all(frames_of(make_sweep(tmp_path / "a").path))]
    assert len(trained) == 10
    untrained = [
        drawing.name for drawing in draw_all(frames_of(make_sweep(tmp_path / "b", shapes=[Shape(steps=0)]).path))
    ]
    assert untrained == ["residual-variance", "heat-map", "branches", "gradient-rms", "token-cosine"]
    nothing = make_sweep(tmp_path / "c", outcome=lambda i, a, s: "missing")
    assert draw_all(frames_of(nothing.path)) == []


def test_one_run_is_enough(tmp_path: Path) -> None:
    names = [
        drawing.name for drawing in draw_all(frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path))
    ]
    assert "heat-map" not in names, "one place is no map"
    assert len(names) == 9


def test_a_line_is_the_mean_over_seeds(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1, 2])
    drawing = residual_variance(frames_of(folder.path))
    assert drawing is not None
    (series,) = drawing.series
    stored = [folder.run(entry.id).layers()[0]["residual_var"] for entry in load_results(folder.path).runs]
    assert series.y == pytest.approx([sum(site) / 3 for site in zip(*stored, strict=True)])
    assert series.x == (0, 0.5, 1, 1.5, 2)


def test_seed_dots_and_mean_are_the_summaries(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1])
    drawing = final_losses(frames_of(folder.path))
    assert drawing is not None
    losses = [(folder.run(entry.id).summary() or {})["val_loss"] for entry in load_results(folder.path).runs]
    values = {series.label: series.x[0] for series in drawing.series}
    assert values["gpt2 · gelu · seed 0"] == losses[0]
    assert values["gpt2 · gelu · mean"] == pytest.approx(sum(losses) / 2)


def test_diverged_runs_are_counted_in_the_figure_and_alone_in_the_curves(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", outcome=lambda i, a, s: "diverged" if (i, s) == ("gpt2", 1) else "finished")
    frames = frames_of(folder.path)
    dots, curves = final_losses(frames), loss_curves(frames)
    assert dots is not None
    assert curves is not None
    assert "diverged" in dots.caption
    assert "1/2" in dots.svg()
    assert [s.label for s in curves.series if "diverged" in s.label] == [
        "gpt2 · gelu · seed 1 · diverged",
        "gpt2 · relu · seed 1 · diverged",
    ]
    healthy = final_losses(frames_of(make_sweep(tmp_path / "t").path))
    assert healthy is not None
    assert "diverged" not in healthy.caption


def test_all_diverged_draws_what_there_is(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", outcome=lambda i, a, s: "diverged").path)
    names = [drawing.name for drawing in draw_all(frames)]
    assert "loss-curves" in names
    assert "final-loss" in names
    assert variance_over_training(frames) is None


def test_the_first_update_is_that_of_step_1_and_of_trained_cells(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(lr=1e-3), Shape(lr=3e-3), Shape(steps=0)])
    drawing = first_updates(frames_of(folder.path))
    assert drawing is not None
    rows = [folder.run(entry.id).layers() for entry in load_results(folder.path).runs[:2]]
    stored = [row[f"update_ratio_{role}"] for run in rows for row in run if row["step"] == 1 for role in MLP]
    assert sorted(list(series.y) for series in drawing.series) == sorted(stored)  # a panel a learning rate and role
    assert len({tuple(values) for values in stored}) == 4
    assert first_updates(frames_of(make_sweep(tmp_path / "t", shapes=[Shape(steps=0)]).path)) is None


def test_what_is_zero_is_named_where_a_log_axis_cannot_show_it(tmp_path: Path) -> None:
    drawing = branches(frames_of(make_sweep(tmp_path / "s").path))
    assert drawing is not None
    assert "Zero, and so not on a logarithmic axis: depth-scaled · gelu, depth-scaled · relu." in drawing.caption


def test_the_deepest_and_widest_panel_stands_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    shapes = [Shape(layers, width, steps=0) for layers in (2, 4, 6, 8) for width in (64, 128)]
    frames = frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], shapes).path)
    layout = lay_out(list(frames.results.cells), at_init)
    assert layout.panels[0].title == "n_layer=8 · n_embd=128"
    assert len(layout.panels) == 6
    assert layout.left_out.startswith("2 more panels not drawn")
    drawing = residual_variance(frames)
    assert drawing is not None
    assert layout.left_out in drawing.caption


def test_training_knobs_make_no_panels_at_init(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", shapes=[Shape(lr=1e-3), Shape(lr=3e-3)]).path)
    assert len(lay_out(list(frames.results.cells), at_init).panels) == 1
    drawing = residual_variance(frames)
    assert drawing is not None
    assert len(drawing.series) == 4


def test_many_long_names_overlap_nothing(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", LONG, ["gelu", "relu"], [0]).path)
    for drawing in (residual_variance(frames), loss_curves(frames), heat_map(frames), layer_profiles(frames)):
        assert drawing is not None
        figure = drawing.figure
        boxes = [ax.get_tightbbox() for ax in figure.axes] + [legend.get_window_extent() for legend in figure.legends]
        found = [box for box in boxes if box is not None]
        for index, box in enumerate(found):
            assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in found[index + 1 :]), drawing.name
            assert box.x0 >= -1
            assert box.x1 <= figure.bbox.x1 + 1


def test_long_titles_are_broken_and_overlap_nothing(tmp_path: Path) -> None:
    shapes = [Shape(layers, width, lr=lr) for layers, width in ((20, 128), (24, 256)) for lr in (0.00123, 0.00456)]
    frames = frames_of(make_sweep(tmp_path / "s", shapes=shapes).path)
    for draw in (loss_curves, variance_over_training, final_losses, heat_map, branches, first_updates):
        drawing = draw(frames)
        assert drawing is not None
        boxes = [ax.title.get_window_extent() for ax in drawing.figure.axes]
        assert len(boxes) > 1
        assert all("n_layer=2" in ax.get_title() for ax in drawing.figure.axes)
        for index, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[index + 1 :]), drawing.name
            assert box.x0 >= -1
            assert box.x1 <= drawing.figure.bbox.x1 + 1


def test_svg_is_deterministic_prefixed_and_free_of_addresses(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s").path
    first, second = residual_variance(frames_of(path)), residual_variance(frames_of(path))
    assert first is not None
    assert second is not None
    assert first.svg() == second.svg()
    assert first.png() == second.png()
    inline = first.inline_svg()
    assert "http" not in inline
    ids = re.findall(r'\bid="([^"]*)"', inline)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("residual-variance-") for name in ids)
    referred = re.findall(r'(?:href="#|url\(#)([^")]*)', inline)
    assert referred
    assert set(referred) <= set(ids)
    assert all(f'id="residual-variance-{series.gid}"' in inline for series in first.series)


def test_a_name_is_text_in_a_figure(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> $\\frac{}$ 初"
    drawing = residual_variance(frames_of(make_sweep(tmp_path / "s", ["gpt2", hostile], ["gelu"], [0]).path))
    assert drawing is not None
    assert "<script" not in drawing.inline_svg()
    assert "&lt;script" in drawing.inline_svg()
    assert drawing.png()
