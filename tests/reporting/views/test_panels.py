"""Panels: the deepest and widest first, and a word about the rest."""

from pathlib import Path

from initlab.reporting.views.at_init import residual_variance
from initlab.reporting.views.panels import at_init, lay_out
from tests.reporting.stored import Shape, frames_of, make_sweep


def test_the_deepest_and_widest_panel_stands_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    shapes = [Shape(layers, width, steps=0) for layers in (2, 4, 6, 8) for width in (64, 128)]
    frames = frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], shapes).path)
    layout = lay_out(list(frames.results.cells), at_init)
    assert layout.panels[0].title == "n_layer=8 · n_embd=128"
    assert len(layout.panels) == 6
    assert layout.left_out.startswith("2 more panels not drawn")
    view = residual_variance(frames)
    assert view is not None
    assert layout.left_out in view.caption
