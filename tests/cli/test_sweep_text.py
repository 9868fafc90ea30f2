"""What a sweep says before it trains, and when it is stopped."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from initlab.cli.sweep_text import announce, duration, print_dry_run, print_stopped
from initlab.planning.plan import Plan
from initlab.results.run_folder import RunState
from tests.planning.machines import machine
from tests.tiny import tiny_sweep


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plan:
    monkeypatch.setattr("initlab.planning.plan.cached_profile", machine)
    return tiny_sweep(tmp_path, {"init": ["gpt2"], "seed": [0, 1]}, jobs=2)


def console() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (36_000, "10.0 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_an_announcement_says_what_how_and_what_it_costs(plan: Plan, tmp_path: Path) -> None:
    out = console()
    announce(out, replace(plan, name="mine", spec=replace(plan.spec, question="Is [it] so?")))
    lines = text(out).splitlines()
    assert lines[0] == "mine: Is [it] so?"
    assert lines[1].startswith("  synthetic")
    assert lines[2] == f"  2 runs, about {duration(plan.seconds)} on 2 workers; in {tmp_path}"
    assert plan.execution is not None
    assert lines[3].startswith(f"  {plan.execution.execution_of(plan.runs[0]).describe()}: 100 GF/s")
    assert "does not follow the width" in lines[4]
    assert len(lines) == 5


def test_what_is_stored_is_counted_and_costs_nothing(plan: Plan) -> None:
    out = console()
    announce(out, replace(plan, missing=(), execution=None, groups=()))
    assert "2 runs, 2 already stored; in" in text(out)
    assert "worker" not in text(out)


def test_a_dry_run_lists_every_run_with_where_it_stands(plan: Plan) -> None:
    out, (first, second) = console(), plan.runs
    print_dry_run(out, replace(plan, states={**plan.states, first.id: RunState("failed", "planted")}))
    lines = text(out).splitlines()
    assert lines[0].split() == [first.id, "failed", *first.entry.label.split()]
    assert lines[1].split() == [second.id, "missing", *second.entry.label.split()]
    assert lines[2].endswith("on 2 workers; nothing was written")


def test_a_stopped_sweep_names_the_way_back() -> None:
    out = console()
    print_stopped(out, {"finished": 3, "failed": 0, "interrupted": 1}, "initlab sweep '[x]'")
    assert "stopped; 3 finished, 1 interrupted. To go on" in text(out)
    assert text(out).endswith("  initlab sweep '[x]'\n")
