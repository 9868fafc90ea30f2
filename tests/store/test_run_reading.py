"""One reading of a run: where it stands, and what of it is what was stored."""

import json
import os
import shutil
from pathlib import Path

import pytest

from initlab.results.run_folder import RunWriter
from initlab.store.run_reading import RunReading, read_result
from initlab.store.stored import Damaged
from tests.faults.lives import RUN, bury, live, run_path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    assert live(tmp_path)
    return run_path(tmp_path)


def opened(tmp_path: Path) -> RunWriter:
    writer = RunWriter.open(run_path(tmp_path), {"id": RUN}, {})
    assert writer is not None
    return writer


def test_a_finished_run_is_read_whole(run: Path) -> None:
    reading = RunReading(run, thorough=True)
    assert reading.state.status == "finished"
    assert not reading.state.unchecked
    assert len(reading.rows("metrics.jsonl")) == 12
    assert reading.config()["id"] == RUN
    assert reading.env()["device"] == "cpu"
    shutil.rmtree(run)
    assert len(reading.rows("metrics.jsonl")) == 12, "what was read does not change"


@pytest.mark.parametrize("name", ["metrics.jsonl", "layers.jsonl", "config.json"])
def test_sizes_are_checked_always_and_contents_where_results_are_wanted(name: str, run: Path) -> None:
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[:-2] + b"  ")
    assert read_result(run)[0].status == "finished", "its size is right"
    reading = RunReading(run, thorough=True)
    assert (reading.state.status, reading.summary, reading.rows("metrics.jsonl")) == ("damaged", None, [])
    assert name in str(reading.state.reason)
    (run / name).write_bytes(content[:-1])
    state, summary = read_result(run)
    assert (state.status, summary) == ("damaged", None)
    assert f"{len(content)} were stored" in str(state.reason)
    (run / name).unlink()
    assert "is gone" in str(read_result(run)[0].reason)


def test_rows_that_are_damaged_are_damaged_where_they_are_asked_for(run: Path) -> None:
    content = (run / "metrics.jsonl").read_bytes()
    reading = RunReading(run, thorough=False)
    (run / "metrics.jsonl").write_bytes(content[::-1])
    assert reading.state.status == "finished"
    with pytest.raises(Damaged, match=r"metrics\.jsonl"):
        reading.rows("metrics.jsonl")


def test_another_runs_summary_is_none_of_this_ones(run: Path) -> None:
    other = run.with_name("b" * 12)
    shutil.copytree(run, other)
    state, summary = read_result(other)
    assert (state.status, summary) == ("damaged", None)
    assert "another run" in str(state.reason)


def test_a_summary_that_is_gone_was_there(run: Path) -> None:
    (run / "summary.json").unlink()
    state, _ = read_result(run)
    assert (state.status, state.reason) == (
        "damaged",
        f"{run / 'summary.json'} is gone, though status.json says that it was stored",
    )


def test_a_status_that_is_damaged_is_noted_and_costs_no_result(run: Path) -> None:
    (run / "status.json").write_text("{")
    state, summary = read_result(run)
    assert state.status == "finished"
    assert summary is not None
    assert "status.json" in state.notes[0]
    shutil.rmtree(run)
    run.mkdir()
    (run / "status.json").write_text('{"status": "odd"}')
    state, _ = read_result(run)
    assert state.status == "missing"
    assert "status.json" in str(state.reason)


def test_what_an_earlier_version_stored_is_read_and_said_to_be_unchecked(run: Path) -> None:
    for name in ("summary.json", "config.json", "status.json", "env.json"):
        document = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps({k: v for k, v in document.items() if k not in ("files", "sha256")}))
    state, summary = read_result(run)
    assert (state.status, state.unchecked) == ("finished", True)
    assert summary is not None
    assert RunReading(run, thorough=True).state == state
    (run / "metrics.jsonl").write_bytes((run / "metrics.jsonl").read_bytes()[:-5])
    assert RunReading(run, thorough=True).state.status == "damaged", "its rows are looked at all the same"


def test_taking_the_checksums_away_does_not_make_a_result_an_earlier_one(run: Path) -> None:
    document = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({k: v for k, v in document.items() if k not in ("files", "sha256")}))
    state, summary = read_result(run)
    assert (state.status, summary) == ("damaged", None)
    assert "its checksums are gone" in str(state.reason)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions keep nobody out who is root")
def test_what_permissions_hide_is_not_missing(run: Path) -> None:
    run.chmod(0)
    try:
        assert read_result(run)[0].status == "unreadable"
    finally:
        run.chmod(0o755)


def test_rows_so_far_are_those_of_the_attempt_under_way(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    writer.metrics({"step": 0, "loss": 1.0})
    writer.flush()
    reading = RunReading(run_path(tmp_path), thorough=True)
    assert reading.state.status == "running"
    assert reading.rows("metrics.jsonl") == [{"step": 0, "loss": 1.0}]
    assert reading.config()["id"] == RUN
    writer.abandon()
    bury(tmp_path)
    state, _ = read_result(run_path(tmp_path))
    assert (state.status, state.reason) == ("interrupted", "the process that trained it is gone")
