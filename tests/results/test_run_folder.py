"""A run's directory says at every moment where the run stands."""

import subprocess
import sys
from pathlib import Path

import pytest

from initlab.results.run_folder import RunDirectory, RunWriter, mark_failed

CONFIG, ENV = {"id": "abc"}, {"device": "cpu"}


def _writer(path: Path) -> RunWriter:
    writer = RunWriter.open(path, CONFIG, ENV)
    assert writer is not None
    return writer


def test_a_run_is_missing_then_running_then_finished(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "abc")
    assert run.state().status == "missing"
    writer = _writer(run.path)
    assert run.state().status == "running"
    writer.metrics({"step": 0, "train_loss": 1.5})
    writer.layers({"step": 0, "residual_ms": [1.0]})
    writer.finish({"id": "abc", "diverged": False})
    assert run.state().status == "finished"
    assert run.metrics() == [{"step": 0, "train_loss": 1.5}]
    assert run.layers() == [{"step": 0, "residual_ms": [1.0]}]
    assert run.config() == {"schema_version": 1, **CONFIG}
    assert not (run.path / ".lock").exists()


def test_divergence_failure_and_interruption_keep_their_reasons(tmp_path: Path) -> None:
    _writer(tmp_path / "a").finish({"diverged": True, "reason": "not finite at step 3"})
    _writer(tmp_path / "b").fail("ValueError: boom", "Traceback ...")
    _writer(tmp_path / "c").interrupt("stopped by the user")
    mark_failed(tmp_path / "d", "its worker was killed, twice")
    states = {name: RunDirectory(tmp_path / name).state() for name in "abcd"}
    assert {name: (state.status, state.reason) for name, state in states.items()} == {
        "a": ("diverged", "not finite at step 3"),
        "b": ("failed", "ValueError: boom"),
        "c": ("interrupted", "stopped by the user"),
        "d": ("failed", "its worker was killed, twice"),
    }
    assert "Traceback" in (tmp_path / "b" / "log.txt").read_text()


def test_a_run_whose_process_is_gone_is_interrupted_and_can_be_opened_again(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from initlab.results.run_folder import RunWriter;"
        "writer = RunWriter.open(Path(sys.argv[1]), {}, {}); writer.metrics({'step': 0}); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False)
    assert (tmp_path / "a" / ".lock").exists()
    run = RunDirectory(tmp_path / "a")
    assert run.state().status == "interrupted"
    again = _writer(run.path)
    again.metrics({"step": 7})
    again.finish({"diverged": False})
    assert run.metrics() == [{"step": 7}], "the first attempt's rows must be gone"


def test_a_run_that_is_being_trained_cannot_be_opened_twice(tmp_path: Path) -> None:
    first = _writer(tmp_path / "a")
    assert RunWriter.open(tmp_path / "a", CONFIG, ENV) is None
    first.finish({"diverged": False})


def test_results_hold_no_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of one spec must give the same bytes; only status.json and log.txt may tell them apart."""
    for name, now in (("a", 1e9), ("b", 2e9)):
        monkeypatch.setattr("initlab.results.run_folder.time.time", lambda now=now: now)
        writer = _writer(tmp_path / name)
        writer.metrics({"step": 0, "train_loss": 1.0})
        writer.finish({"diverged": False})
    for file in ("metrics.jsonl", "layers.jsonl", "summary.json", "config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a" / "status.json").read_bytes() != (tmp_path / "b" / "status.json").read_bytes()
