"""Cells by what they are."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.verdicts.stored import load_stored
from tests.verdicts.planted import FAILED, Planted, store


def test_cells_are_selected_by_any_field(tmp_path: Path) -> None:
    cells = [
        Planted({0: 2.5, 1: FAILED}, init=init, axes={"model.n_layer": depth})
        for init in ("gpt2", "depth-scaled")
        for depth in (2, 4)
    ]
    sweep = store(tmp_path / "x", cells)
    assert len(sweep.select({})) == 4
    assert len(sweep.select({"init": "nanogpt"})) == 2, "by an alias too"
    assert len(sweep.select({"n_layer": 4, "init": ["gpt2", "depth-scaled"]})) == 2
    assert [cell.label for cell in sweep.select({"model.n_layer": 2, "init": "gpt2"})] == ["gpt2 · gelu · n_layer=2"]
    assert set(sweep.axes) == {"init", "model.n_layer"}
    assert sweep.cells[0].unfinished == ["seed 1 failed (planted failure)"]


def test_what_there_is_not(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.5})])
    with pytest.raises(InitlabError, match="did you mean 'activation'"):
        sweep.select({"activaton": "gelu"})
    with pytest.raises(InitlabError, match="did you mean 'gelu'"):
        sweep.select({"activation": "gellu"})
    with pytest.raises(InitlabError, match="no such folder"):
        load_stored(tmp_path / "absent")
