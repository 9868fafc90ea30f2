"""What no plan asks for may go: never a planned run, one that is trained, or what a link leads to."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.pruning import prunable, remove, size_of
from initlab.results.reading import Results
from initlab.results.run_folder import RunWriter
from tests.verdicts.planted import Planted, store


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return store(tmp_path / "s", [Planted({0: 2.5})])


def test_a_planned_sweep_has_nothing_to_remove(results: Results) -> None:
    assert prunable(results) == []


def test_orphans_and_quarantine_are_found_and_runs_in_training_are_not(results: Results) -> None:
    runs = results.path / "runs"
    (runs / "orphan").mkdir()
    (runs / "orphan" / "summary.json").write_text("{}")
    writer = RunWriter.open(runs / "trained", {}, {})
    assert writer is not None
    (results.path / "quarantine").mkdir()
    assert prunable(results) == [runs / "orphan", results.path / "quarantine"]
    writer.give_up()
    assert runs / "trained" in prunable(results)


def test_a_link_is_removed_and_what_it_leads_to_is_not(results: Results, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs").write_text("theirs")
    (results.path / "runs" / "orphan").symlink_to(outside)
    for path in prunable(results):
        assert size_of(path) < 200, "of the link alone"
        remove(path)
    assert not (results.path / "runs" / "orphan").is_symlink()
    assert (outside / "theirs").is_file()


def test_a_runs_folder_that_is_a_link_has_no_orphans(results: Results, tmp_path: Path) -> None:
    (results.path / "runs").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "orphan").mkdir()
    (results.path / "runs").symlink_to(tmp_path / "elsewhere")
    assert prunable(results) == []


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(b"123")
    (tmp_path / "a" / "b" / "y").write_bytes(b"12345")
    assert size_of(tmp_path / "a") == 8
    remove(tmp_path / "a")
    with pytest.raises(InitlabError, match="cannot be removed"):
        remove(tmp_path / "a")
