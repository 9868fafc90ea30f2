"""Sweeps from Python: planned, run, loaded, reported; never the caller's script again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import initlab
from initlab.api.sweeping import asked_axes, load, planned_sweep, report, run_sweep, status, sweep
from initlab.errors import InitlabError

TINY: dict[str, Any] = {"n_layer": 1, "n_embd": 16, "n_head": 2, "block_size": 8, "batch_size": 2, "eval_batches": 1}


def test_the_same_call_again_trains_nothing_and_returns_the_same(tmp_path: Path) -> None:
    call: dict[str, Any] = {
        "init": ["gpt2", "pytorch"],
        "seeds": 2,
        "steps": 3,
        "out": tmp_path / "s",
        "jobs": 1,
        "progress": False,
    }
    first = sweep(**call, **TINY)
    stamp = {run.id: (run.path / "summary.json").stat().st_mtime_ns for run in first.runs}
    again = sweep(**call, **TINY)
    assert {run.id: (run.path / "summary.json").stat().st_mtime_ns for run in again.runs} == stamp
    assert first.to_json() == again.to_json() == load(tmp_path / "s").to_json()
    assert first.to_json()["schema_version"] == 1
    assert len(first.to_frame()) == 4
    assert "4 finished" in repr(first)
    assert "<table" in first._repr_html_()


def test_a_plan_is_a_value_that_can_be_looked_at_before_it_is_run(tmp_path: Path) -> None:
    plan = planned_sweep(axes=lambda: asked_axes("gpt2", None, 1, {**TINY, "steps": 0}), out=tmp_path / "s", jobs=1)
    assert len(plan.missing) == 1
    assert plan.to_json()["runs"][0]["status"] == "missing"
    assert not (tmp_path / "s").exists()
    results = run_sweep(plan, progress=False)
    assert results.counts["finished"] == 1
    standing = status(results)
    assert standing.to_frame()["status"].tolist() == ["finished"]
    assert standing.to_json()["counts"]["finished"] == 1


def test_a_report_takes_a_folder_or_what_was_read_of_it(tmp_path: Path) -> None:
    results = sweep(init="gpt2", seeds=2, steps=0, out=tmp_path / "s", jobs=1, progress=False, **TINY)
    written = report(results, formats=["json", "md"])
    assert written.page.with_name("summary.json").is_file()
    assert written.to_json() == results.to_json() == report(tmp_path / "s", formats=["md"]).to_json()
    with pytest.raises(InitlabError, match="did you mean 'html'"):
        report(results, formats=["htm"])


def test_mistakes_have_the_commands_message(tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match="did you mean 'gpt2'"):
        initlab.sweep(init="gpt", out=tmp_path / "s")
    with pytest.raises(InitlabError, match="no such folder"):
        initlab.load(tmp_path / "nothing")
    with pytest.raises(InitlabError, match="launcher 'lokal'"):
        initlab.sweep(init="gpt2", launcher="lokal", out=tmp_path / "s")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"init": []}, "at least one name"),
        ({"seeds": -1}, "names no seed"),
        ({"jobs": 0}, "jobs: expected a whole number from 1 to 999999, got '0'"),
        ({"lanes": 0}, "lanes: expected a whole number from 1 to 65,536, got 0"),
        ({"device": "gpu"}, "device: no kind of device 'gpu'"),
        ({"compile": "yes"}, "compile: no mode 'yes'"),
        ({"retry": "fail"}, "retry: no choice 'fail'; did you mean 'failed'"),
        ({"target": {"width": 7}}, "target: no size 'width'"),
        ({"target": {"n_embd": 7.5}}, "target: expected a whole number from 1 as n_embd, got 7.5"),
        ({"plugins": "mine.py:x"}, "no such file"),
        ({"n_layer": 2.5}, r"model\.n_layer: expected a whole number, got 2\.5"),
    ],
)
def test_what_the_command_line_would_never_pass_is_refused_too(
    wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InitlabError, match=message):
        sweep(**{"init": "gpt2", "out": tmp_path / "s", "progress": False, **TINY, **wrong})
    assert not (tmp_path / "s").exists()


SCRIPT = """
import initlab
print("module level")
results = initlab.sweep(init="gpt2", seeds=2, steps=2, n_layer=1, n_embd=16, n_head=2, block_size=8, batch_size=2,
                        eval_batches=1, out="s", jobs=2)
print(results.counts["finished"])
"""


def test_a_script_without_a_main_guard_runs_once_and_shows_plain_progress(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == ["module level", "2"]
    assert "gpt2" in done.stderr
