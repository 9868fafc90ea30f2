"""What is damaged is put aside, never deleted, and never taken from whoever trains it."""

import os
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.quarantine import set_aside, set_run_aside, set_status_aside
from initlab.results.run_folder import RunWriter
from tests.faults.lives import RUN, live, run_path


def test_a_whole_run_is_moved_with_the_reason_beside_it(tmp_path: Path) -> None:
    live(tmp_path)
    before = {path.name: path.read_bytes() for path in run_path(tmp_path).iterdir()}
    moved = set_run_aside(tmp_path, RUN, "metrics.jsonl is damaged")
    assert moved == tmp_path / "quarantine" / f"{RUN}-1"
    assert {path.name: path.read_bytes() for path in moved.iterdir()} == before
    assert (tmp_path / "quarantine" / f"{RUN}-1.reason.txt").read_text() == "metrics.jsonl is damaged\n"
    assert not run_path(tmp_path).exists()


def test_the_second_time_is_another_name(tmp_path: Path) -> None:
    for _ in range(2):
        live(tmp_path)
        set_run_aside(tmp_path, RUN, "odd")
    assert {path.name for path in (tmp_path / "quarantine").iterdir() if path.is_dir()} == {f"{RUN}-1", f"{RUN}-2"}


def test_a_run_in_training_is_left_alone(tmp_path: Path) -> None:
    writer = RunWriter.open(run_path(tmp_path), {"id": RUN}, {})
    assert writer is not None
    assert set_run_aside(tmp_path, RUN, "odd") is None
    writer.finish({"id": RUN, "diverged": False})
    assert (run_path(tmp_path) / "summary.json").is_file()


@pytest.mark.parametrize("what", ["file", "link", "nothing"])
def test_what_stands_where_a_run_should_is_moved_itself(what: str, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "outside").mkdir()
    if what == "file":
        run_path(tmp_path).write_text("theirs")
    elif what == "link":
        run_path(tmp_path).symlink_to(tmp_path / "outside")
    moved = set_run_aside(tmp_path, RUN, "odd")
    assert not os.path.lexists(run_path(tmp_path))
    assert (tmp_path / "outside").is_dir()
    assert (moved is None) == (what == "nothing")
    assert moved is None or moved.is_symlink() == (what == "link")


def test_a_status_goes_and_its_run_stays(tmp_path: Path) -> None:
    live(tmp_path)
    set_status_aside(tmp_path, RUN, "odd")
    assert (tmp_path / "quarantine" / "status.json-1").is_file()
    assert (run_path(tmp_path) / "summary.json").is_file()


def test_a_quarantine_that_leads_elsewhere_takes_nothing(tmp_path: Path) -> None:
    live(tmp_path / "s")
    (tmp_path / "outside").mkdir()
    (tmp_path / "s" / "quarantine").symlink_to(tmp_path / "outside")
    with pytest.raises(InitlabError, match="cannot be moved into"):
        set_aside(tmp_path / "s", run_path(tmp_path / "s"), "odd")
    assert list((tmp_path / "outside").iterdir()) == []
    assert run_path(tmp_path / "s").is_dir()
