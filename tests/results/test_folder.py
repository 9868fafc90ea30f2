"""A plan is written so that it reads back as it was made."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.cells import cells_of
from initlab.results.folder import Entry, SweepFolder
from initlab.results.reading import load_results


def _entries() -> list[Entry]:
    cells = cells_of(
        [
            {
                "init": "gpt2",
                "activation": "gelu",
                "axes": {"model.n_layer": depth},
                "fields": {"model": {"n_layer": depth}, "data": {"corpus": "synthetic"}, "train": {"lr": 1e-3}},
                "network": "no biases",
            }
            for depth in (2, 4)
        ]
    )
    return [Entry(f"{cell.index}{seed}", cell, seed) for seed in (0, 1) for cell in cells]


def _stored(path: Path, entries: list[Entry]) -> SweepFolder:
    folder = SweepFolder(path)
    folder.write_plan(spec_text="", resolved={}, sweep={"name": "x", "question": None}, entries=entries)
    return folder


def test_a_plan_reads_back_as_it_was_made(tmp_path: Path) -> None:
    entries = _entries()
    _stored(tmp_path / "x", entries)
    results = load_results(tmp_path / "x")
    assert [(run.id, run.seed, run.label) for run in results.runs] == [(e.id, e.seed, e.label) for e in entries]
    assert [cell.to_json() for cell in results.cells] == [entry.cell.to_json() for entry in entries[:2]]
    assert [cell.label for cell in results.cells] == [entry.cell.label for entry in entries[:2]]
    assert [cell.fields for cell in results.cells] == [entry.cell.fields for entry in entries[:2]]
    assert results.runs[3].label == "gpt2 · gelu · n_layer=4 · seed 1"


def test_a_part_of_a_plan_numbers_its_cells_anew(tmp_path: Path) -> None:
    """Cells are numbered by their place in the file, whatever number they had where they were planned."""
    _stored(tmp_path / "x", _entries()[1::2])
    results = load_results(tmp_path / "x")
    assert [(cell.index, cell.n_layer) for cell in results.cells] == [(0, 4)]
    assert [run.cell_index for run in results.runs] == [0, 0]


def test_a_folder_that_cannot_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InitlabError, match="cannot write"):
        _stored(tmp_path / "file" / "x", _entries())
