"""Lines of a panel: means over seeds, their range, and an axis over what is positive."""

from pathlib import Path

import pandas as pd
import pytest

from initlab.reporting.views.figure import Scale, Sheet
from initlab.reporting.views.lines import add_lines, band_over, log_over
from tests.reporting.stored import frames_of, make_sweep

DATA = pd.DataFrame(
    {"cell_index": [0, 0, 0, 0], "layer": [0.0, 0.0, 1.0, 1.0], "step": [5, 5, 5, 6], "value": [1.0, 3.0, 4.0, 4.0]}
)


def test_a_line_is_the_mean_and_its_band_the_range_along_a_column(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1]).path)
    sheet = Sheet("x", 2)
    for panel, along in zip(sheet.panels, ("layer", "step"), strict=True):
        assert add_lines(frames, panel, DATA, [("gpt2", "gelu", [0]), ("gpt2", "relu", [7])], along) == []
    by_layer, by_step = sheet.view("title", "caption").series
    assert (by_layer.x, by_layer.y) == ((0.0, 1.0), (2.0, 4.0))
    assert by_layer.band is not None
    assert (by_layer.band.low, by_layer.band.high) == ((1.0, 4.0), (3.0, 4.0))
    assert by_step.x == (5.0, 6.0)
    assert by_step.y == pytest.approx((8 / 3, 4.0))


def test_what_is_zero_throughout_is_named_where_the_axis_is_logarithmic(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path)
    (panel,) = Sheet("x", 1).panels
    panel.set(y=Scale(log=True, low=0.1, high=1.0))
    assert add_lines(frames, panel, DATA.assign(value=0.0), [("gpt2", "gelu", [0])]) == ["gpt2 · gelu"]


def test_an_axis_spans_what_is_positive() -> None:
    assert log_over(pd.Series([0.0, 2.0, 8.0, -1.0])) == Scale(log=True, low=2.0, high=8.0)
    assert log_over(pd.Series([0.0, -1.0])) == Scale(log=True)
    assert band_over([1], pd.Series([2.0]), pd.Series([3.0]), "#000").high == (3.0,)
