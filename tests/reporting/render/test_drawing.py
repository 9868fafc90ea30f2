"""Drawings: nothing overlaps, names are text, and the same numbers are the same bytes."""

import re
from pathlib import Path

import matplotlib as mpl

from initlab.reporting.render.drawing import draw
from initlab.reporting.views.at_init import branches, first_updates, residual_variance
from initlab.reporting.views.comparison import final_losses, heat_map
from initlab.reporting.views.training import layer_profiles, loss_curves, variance_over_training
from tests.reporting.stored import Shape, frames_of, make_sweep

LONG = [f"note-sqrt-2-over-depth-{number}" for number in range(9)]


def test_many_long_names_overlap_nothing(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", LONG, ["gelu", "relu"], [0]).path)
    for view in (residual_variance(frames), loss_curves(frames), heat_map(frames), layer_profiles(frames)):
        assert view is not None
        drawing = draw(view)
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
    for make in (loss_curves, variance_over_training, final_losses, heat_map, branches, first_updates):
        view = make(frames)
        assert view is not None
        drawing = draw(view)
        boxes = [ax.title.get_window_extent() for ax in drawing.figure.axes]
        assert len(boxes) > 1
        assert all("n_layer=2" in ax.get_title() for ax in drawing.figure.axes)
        for index, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[index + 1 :]), drawing.name
            assert box.x0 >= -1
            assert box.x1 <= drawing.figure.bbox.x1 + 1


def test_svg_is_deterministic_prefixed_and_free_of_addresses(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s").path
    views = [residual_variance(frames_of(path)) for _ in range(2)]
    first, second = (draw(view) for view in views if view is not None)
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


def test_nobodys_matplotlibrc_changes_a_figure(tmp_path: Path) -> None:
    view = residual_variance(frames_of(make_sweep(tmp_path / "s").path))
    assert view is not None
    plain = draw(view).svg()
    with mpl.rc_context({"text.usetex": True, "lines.linewidth": 30.0, "axes.facecolor": "red"}):
        assert draw(view).svg() == plain


def test_a_name_is_text_in_a_figure(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> $\\frac{}$ 初"
    view = residual_variance(frames_of(make_sweep(tmp_path / "s", ["gpt2", hostile], ["gelu"], [0]).path))
    assert view is not None
    drawing = draw(view)
    assert "<script" not in drawing.inline_svg()
    assert "&lt;script" in drawing.inline_svg()
    assert drawing.png()
