"""How far a sweep has come, in shares of its cost, and the lines that say so."""

import time

import pytest

from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan
from initlab.planning.progress import LineProgress, RunOutcome, Shares, Silent
from tests.planning.machines import machine
from tests.tiny import tiny_sweep


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr("initlab.planning.plan.cached_profile", machine)
    planned = tiny_sweep(None, {"init": ["gpt2", "pytorch"], "train.steps": [10, 40], "seed": [0, 1]}, jobs=2)
    assert len(planned.groups) > 1
    return planned


def test_a_group_weighs_what_it_costs(plan: Plan) -> None:
    short, long = (LaneGroup(tuple(run for run in plan.runs if run.spec.train.steps == n)) for n in (10, 40))
    shares = Shares([long, short])
    assert shares.total == 0
    shares.set_done(0)
    assert shares.total == pytest.approx(long.seconds / (long.seconds + short.seconds))
    assert shares.total > 0.5
    shares.set_step(1, 4, 9)  # five of ten steps, 0 to 9
    assert shares.total == pytest.approx(1 - 0.5 * short.seconds / (long.seconds + short.seconds))
    shares.set_done(1)
    assert shares.total == pytest.approx(1)


def test_a_group_is_called_by_its_cells(plan: Plan) -> None:
    cells = {run.entry.cell.label: run for run in plan.runs}
    runs = tuple(cells.values())
    assert LaneGroup(runs[:1]).label == runs[0].entry.cell.label
    assert LaneGroup(runs[:1] * 2).label == runs[0].entry.cell.label, "seeds are not named"
    assert LaneGroup(runs[:2]).label == f"{runs[0].entry.cell.label} and 1 more cell"
    assert LaneGroup(runs[:3]).label == f"{runs[0].entry.cell.label} and 2 more cells"


def test_a_finished_group_has_a_line_with_its_results(plan: Plan) -> None:
    lines: list[str] = []
    progress = LineProgress(plan, lines.append)
    progress.start()
    progress.group_step(0, 3, 40)
    assert lines == [], "a step is no news"
    outcomes = [RunOutcome("a", "finished", 2.34567), RunOutcome("b", "diverged", 9.0), RunOutcome("c", "finished")]
    progress.group_done(1, outcomes)
    progress.note(0, "it is slow")
    progress.stop()
    assert [line.split("s  ", 1)[1] for line in lines] == [
        f"group 1 of {len(plan.groups)}: {plan.groups[1].label}: 2.346, diverged, finished",
        f"{plan.groups[0].label}: it is slow",
    ]


def test_a_quiet_sweep_shows_that_it_lives(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    now, lines = [0.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = LineProgress(plan, lines.append)
    for second in range(0, 100, 5):
        now[0] = second
        progress.group_step(0, second, 200)
    assert len(lines) == 2, "at 35 and at 70 seconds"
    assert "at step 35 of 200" in lines[0]


def test_silence_is_silent(plan: Plan, capfd: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.start()
    silent.group_step(0, 1, 2)
    silent.note(0, "nothing")
    silent.group_done(0, [])
    silent.stop()
    assert capfd.readouterr() == ("", "")
