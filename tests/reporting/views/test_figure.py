"""Figures as values: what cannot be drawn is left out, and series are numbered through."""

import math

from initlab.reporting.views.figure import Key, Scale, Sheet, Style

WHO = ("a", "gpt2", "gelu")


def test_points_that_no_axis_can_show_are_left_out() -> None:
    sheet = Sheet("x", 2)
    first, second = sheet.panels
    assert first.plot([0, 1, 2, 3], [1.0, math.nan, math.inf, -2.0], WHO, Style())
    second.set(y=Scale(log=True, low=0.1, high=1.0))
    assert second.plot([0, 1, 2], [-1.0, 0.0, 4.0], WHO, Style())
    assert not second.plot([0, 1], [0.0, -1.0], WHO, Style())
    view = sheet.view("title", "caption", legend=[Key(label="gpt2", style=Style())])
    assert [(series.gid, series.x, series.y) for series in view.series] == [
        ("s0", (0.0, 3.0), (1.0, -2.0)),
        ("s1", (2.0,), (4.0,)),
    ]
    assert view.panels[1].y.log
    assert not view.panels[0].y.log
