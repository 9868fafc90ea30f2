"""A sweep's folder gives back the plan it was given, and says what is wrong with a path that is none."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.folder import Cell, Entry, SweepFolder
from initlab.results.run import mark_failed


def _entries() -> list[Entry]:
    cells = [
        Cell("gpt2", "gelu", {"model.n_layer": depth}, {"model": {"n_layer": depth}, "data": {}, "train": {}})
        for depth in (2, 4)
    ]
    return [Entry(f"{n}{seed}", cell, seed) for n, cell in enumerate(cells) for seed in (0, 1)]


def _stored(path: Path) -> SweepFolder:
    folder = SweepFolder(path)
    folder.write_plan(spec_text="", resolved={}, sweep={"name": "x", "question": None}, entries=_entries())
    return folder


def test_entries_come_back_as_they_were_planned(tmp_path: Path) -> None:
    _stored(tmp_path / "x")
    read = SweepFolder.open(tmp_path / "x").entries()
    assert read == _entries()
    assert read[3].label == "gpt2 · gelu · n_layer=4 · seed 1"


def test_counts_are_over_planned_runs(tmp_path: Path) -> None:
    folder = _stored(tmp_path / "x")
    mark_failed(folder.run("00").path, "why")
    mark_failed(folder.run("not-planned").path, "why")
    assert folder.counts() == {
        "finished": 0,
        "diverged": 0,
        "failed": 1,
        "interrupted": 0,
        "running": 0,
        "missing": 3,
    }


def test_a_path_that_holds_no_sweep_names_the_one_inside(tmp_path: Path) -> None:
    _stored(tmp_path / "x")
    with pytest.raises(InitlabError, match=r"did you mean .*x\?"):
        SweepFolder.open(tmp_path)
    with pytest.raises(InitlabError, match="no such folder"):
        SweepFolder.open(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InitlabError, match="cannot write"):
        _stored(tmp_path / "file" / "x")
