"""The live bar and the plain lines of a command; what they share is tested in tests/planning/test_progress.py."""

import io
import sys
import time

import pytest
from rich.console import Console

from initlab.api.display import REPORT, LiveProgress, PlainProgress
from initlab.planning.plan import Plan
from initlab.planning.progress import RunOutcome
from tests.planning.machines import machine
from tests.tiny import tiny_sweep


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr("initlab.planning.plan.cached_profile", machine)
    return tiny_sweep(None, {"init": ["gpt2", "pytorch"], "seed": [0, 1]}, jobs=1)


def outcomes(plan: Plan, group: int) -> list[RunOutcome]:
    return [RunOutcome(run.id, "finished", 3.0) for run in plan.groups[group].runs]


def test_the_bar_counts_runs_and_ends_full(plan: Plan) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False)
    live = LiveProgress(console, plan)
    live.start()
    live.group_step(0, 3, 6)
    task = live._bar.tasks[0]
    assert 0 < task.completed < 1
    assert task.description.startswith("0 of 4 runs")
    for group in range(len(plan.groups)):
        live.group_done(group, outcomes(plan, group))
    live.note(0, "[slow]")
    live.stop()
    assert task.completed == pytest.approx(1)
    assert task.description.startswith("4 of 4 runs")
    assert isinstance(console.file, io.StringIO)
    assert "[slow]" in console.file.getvalue()


def test_lines_have_no_markup_and_the_report_is_imported_meanwhile(plan: Plan) -> None:
    console = Console(file=io.StringIO(), width=40)
    plain = PlainProgress(console, plan)
    plain.start()
    plain.note(0, "[slow] " * 20)
    plain.stop()
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("[slow]") == 20
    assert console.file.getvalue().count("\n") == 1, "long lines are left to the terminal"
    deadline = time.monotonic() + 30
    while REPORT not in sys.modules:
        assert time.monotonic() < deadline
        time.sleep(0.01)
