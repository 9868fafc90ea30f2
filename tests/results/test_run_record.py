"""A run is found by its folder, its id, or the beginning of one."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.reading import Results
from initlab.results.run_folder import RunWriter
from initlab.results.run_record import find_run
from tests.verdicts.planted import MISSING, Planted, store


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return store(tmp_path / "s", [Planted({0: 2.5, 1: MISSING})])


def test_a_run_by_each_of_its_names(results: Results, tmp_path: Path) -> None:
    run = results.runs[0]
    for name in (str(run.path), run.id, run.id[:8], str(results.path / run.id)):
        record = find_run(name, tmp_path)
        assert (record.run.id, record.cell.init, record.results.name) == (run.id, "gpt2", "s")
        assert record.laws is not None
        assert set(record.laws) >= {"slots", "topology"}
        assert [line.split(" ", 1)[1] for line in record.log] == ["started", "finished"]


def test_a_name_that_means_two_runs_or_none(results: Results, tmp_path: Path) -> None:
    store(tmp_path / "other", [Planted({0: 2.5})])
    run = results.runs[0].id
    with pytest.raises(InitlabError, match=f"names 2 runs: .*other/runs/{run}"):
        find_run(run, tmp_path)
    for name in ("zzz", "", str(results.path / "zzz"), str(results.path / "runs" / "zzz")):
        with pytest.raises(InitlabError, match="no run"):
            find_run(name, tmp_path / "none" if not name else tmp_path)


def test_a_run_that_never_started_has_a_config_of_its_cell_and_nothing_else(results: Results, tmp_path: Path) -> None:
    record = find_run(str(results.runs[1].path), tmp_path)
    assert (record.run.status, record.laws, record.log) == ("missing", None, ())


def test_the_log_of_the_attempt_under_way(results: Results, tmp_path: Path) -> None:
    run = results.runs[1]
    writer = RunWriter.open(run.path, {}, {})
    assert writer is not None
    writer.log("halfway")
    assert find_run(str(run.path), tmp_path).log[-1].endswith(" halfway")
    writer.give_up()
