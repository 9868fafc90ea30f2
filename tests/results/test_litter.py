"""What killed processes leave goes, whatever a living one uses stays."""

import os
from pathlib import Path

from initlab.results.litter import clear_litter
from initlab.results.run_folder import RunWriter
from tests.faults.lives import RUN, litter, live, run_path

DEAD = 2**22 + 7
"""No process has a pid beyond the largest."""


def test_temporary_files_of_the_dead_alone(tmp_path: Path) -> None:
    live(tmp_path)
    (tmp_path / "report" / "figures").mkdir(parents=True)
    dead = [
        tmp_path / f".sweep.json.{DEAD}-01234567",
        tmp_path / "report" / f".index.html.{DEAD}-01234567",
        tmp_path / "report" / "figures" / f".a.svg.{DEAD}-01234567",
    ]
    living = tmp_path / f".sweep.json.{os.getpid()}-01234567"
    users = [
        tmp_path / ".gitignore",
        tmp_path / "notes.txt",
        tmp_path / f"sweep.json.{DEAD}",
        tmp_path / f".notes.{DEAD}",
    ]
    for path in (*dead, living, *users):
        path.write_text("x")
    clear_litter(tmp_path)
    assert [path for path in dead if path.exists()] == []
    assert [path for path in (living, *users) if not path.exists()] == []


def test_what_lies_beside_a_result(tmp_path: Path) -> None:
    live(tmp_path)
    run = run_path(tmp_path)
    (run / "attempt-0123456789abcdef").mkdir()
    (run / "attempt-0123456789abcdef" / "metrics.jsonl").write_text("x")
    (run / ".lock").write_text("")
    (run / f".status.json.{DEAD}").write_text("")
    clear_litter(tmp_path)
    assert litter(tmp_path) == []
    assert (run / "summary.json").is_file()


def test_a_run_in_training_keeps_its_attempt(tmp_path: Path) -> None:
    writer = RunWriter.open(run_path(tmp_path), {"id": RUN}, {})
    assert writer is not None
    (run_path(tmp_path) / "summary.json").write_text("{}")  # as if an earlier result were there
    clear_litter(tmp_path)
    assert len(list(run_path(tmp_path).glob("attempt-*/config.json"))) == 1
    writer.give_up()


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / f".a.{DEAD}-01234567").write_text("theirs")
    (tmp_path / "s").mkdir()
    for name in ("runs", "report", "predictions"):
        (tmp_path / "s" / name).symlink_to(outside)
    clear_litter(tmp_path / "s")
    assert (outside / f".a.{DEAD}-01234567").is_file()


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    clear_litter(tmp_path / "none")
    assert not (tmp_path / "none").exists()
