"""GitHub's limits: summaries of 1 MiB, ten annotations of a kind, escaped commands."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.stats.summaries import Interval
from initlab.verdicts.github import annotations, escape_data, escape_property, publish, summary
from initlab.verdicts.verdict import Verdict

MEBIBYTE = 2**20


def _many(number: int, verdict: str = "pass") -> list[Verdict]:
    reason = "2.61 [2.60, 2.62] over 5 seeds, limit <= 2.7; paired by seed, correlation 0.90"
    return [
        Verdict("loss", "text", verdict, reason, about=f"gpt2 · gelu · n_layer={n}", value=2.61, limit=2.7,
                ci=Interval(2.6, 2.62), n=5)
        for n in range(number)
    ]  # fmt: skip


def test_ten_thousand_cells_stay_below_the_limit_with_the_worst_first() -> None:
    text = summary([*_many(9_999), *_many(1, "fail")], "gate: fail")
    assert len(text.encode()) < MEBIBYTE
    rows = [line for line in text.splitlines() if line.startswith("| ") and "check" not in line]
    assert "fail" in rows[0]
    assert len(rows) > 5_000
    assert f"{10_000 - len(rows)} more checks did not fit" in text
    assert "1 fail, 9999 pass" in text


def test_a_small_summary_is_whole_and_its_cells_cannot_break_the_table() -> None:
    text = summary([Verdict("a", "t", "fail", "a | b\nc <img>", about="x|y", limit=[1.0, 2.0])], "t")
    row = text.splitlines()[-1]
    assert row.count("|") - row.count("\\|") == 9
    assert "&lt;img&gt;" in row
    assert "1 to 2" in row
    assert "did not fit" not in text


def test_a_bound_is_no_interval() -> None:
    bound = Verdict("rate", "", "pass", "", ci=Interval(float("-inf"), 0.003), limit=0.01)
    assert "| at most 0.003 |" in summary([bound], "gate")
    assert "| at least 0.003 |" in summary([replace(bound, ci=Interval(0.003, float("inf")))], "gate")


def test_what_the_step_wrote_before_counts(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x" * 880_000)
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(path)}
    publish(_many(10_000), "t", {}, env)
    assert 880_000 < path.stat().st_size < 901_000
    path.write_text("x" * 1_000_000)
    publish(_many(10), "t", {}, env)
    assert path.stat().st_size == 1_000_000, "no room: better the old summary than none"


def test_ten_annotations_of_a_kind_at_most() -> None:
    lines = annotations([*_many(30, "fail"), *_many(2, "error"), *_many(9, "inconclusive"), *_many(5)])
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert sum(line.startswith("::warning ") for line in lines) == 9
    assert any(line.endswith("::and 23 more") for line in lines)
    assert annotations(_many(3)) == []


def test_commands_are_escaped() -> None:
    assert escape_data("50%\r\na: b, c") == "50%25%0D%0Aa: b, c"
    assert escape_property("50%\na: b, c") == "50%25%0Aa%3A b%2C c"
    (line,) = annotations([Verdict("x", "t", "fail", "1%\n::set-output", about="a, b: c")])
    assert line == "::error title=x%3A a%2C b%3A c::1%25%0A::set-output"


def test_outputs(tmp_path: Path) -> None:
    path = tmp_path / "out"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(path)}
    publish(_many(1, "fail"), "t", {"verdict": "fail", "fail": "1\nx=2"}, env)
    assert path.read_text() == "verdict=fail\nfail=1 x=2\n"


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path / "fifo")}
    with pytest.raises(InitlabError, match="is a fifo"):
        publish([], "t", {}, env)


def test_nothing_outside_actions(tmp_path: Path) -> None:
    env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "s"), "GITHUB_OUTPUT": str(tmp_path / "o")}
    assert publish(_many(3, "fail"), "t", {"verdict": "fail"}, env) == []
    assert list(tmp_path.iterdir()) == []
