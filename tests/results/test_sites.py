"""Where along the stream a stored number stands."""

import pytest

from initlab.results.sites import LayerRows, site_array


def test_a_layout_has_the_sites_it_declares_and_what_nobody_declared_stands_at_the_end() -> None:
    assert site_array("stream", 2, 5).tolist() == [0, 1, 2, 3, 4]
    assert site_array("attention", 2, 2).tolist() == [1, 3]
    assert site_array("block", 2, 2).tolist() == [2, 4]
    assert site_array("end", 2, 1).tolist() == [4]
    assert site_array("stream", 2, 3).tolist() == [4, 4, 4]


def test_rows_become_one_long_frame() -> None:
    rows = LayerRows({"mine": "attn_branch"})
    rows.add(0, 2, [{"step": 0, "loss": 9.0, "residual_ms": [1.0, 2.0, 3.0, 4.0, 5.0], "mine": [6.0, None]}])
    frame = rows.frame()
    assert frame["probe"].unique().tolist() == ["residual_ms", "mine"]
    own = frame[frame["probe"] == "mine"]
    assert own["site"].tolist() == [1, 3]
    assert own["layer"].tolist() == [0.5, 1.5]
    assert own["value"].iloc[0] == pytest.approx(6.0)
    assert own["value"].isna().tolist() == [False, True]
