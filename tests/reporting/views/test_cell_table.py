"""The table's numbers, against the stored rows by hand."""

import math
from pathlib import Path

import pytest

from initlab.reporting.views.cell_table import cell_rows, factor, not_ok, number, text_table
from initlab.results.reading import load_results
from tests.reporting.stored import FLOOR, Shape, frames_of, make_sweep


def test_numbers_are_those_of_the_summaries(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", seeds=[0, 1, 2])
    rows, runs = cell_rows(frames_of(folder.path)), load_results(folder.path).runs
    assert [(row.init, row.activation) for row in rows] == [
        ("gpt2", "gelu"),
        ("gpt2", "relu"),
        ("depth-scaled", "gelu"),
        ("depth-scaled", "relu"),
    ]
    for row in rows:
        summaries = [folder.run(run.id).summary() or {} for run in runs if run.cell_index == row.index]
        losses = [summary["val_loss"] for summary in summaries]
        centre = sum(losses) / 3
        assert row.final_loss == pytest.approx(centre)
        assert row.final_loss_sd == pytest.approx(math.sqrt(sum((x - centre) ** 2 for x in losses) / 2))
        assert row.final_loss_by_seed == dict(enumerate(losses))
        assert row.above_floor == pytest.approx(centre - FLOOR)
        assert row.initial_loss == pytest.approx(sum(summary["initial_loss"] for summary in summaries) / 3)
        assert row.growth == pytest.approx(math.prod(summary["growth"] for summary in summaries) ** (1 / 3))
        assert (row.planned, row.finished, row.diverged, row.loss_split) == (3, 3, 0, "validation")


def test_a_diverged_run_is_counted_and_in_the_mean_with_its_loss_at_init(tmp_path: Path) -> None:
    folder = make_sweep(
        tmp_path / "s", ["gpt2"], ["gelu"], [0, 1, 2], outcome=lambda i, a, s: "diverged" if s == 1 else "finished"
    )
    (row,) = cell_rows(frames_of(folder.path))
    summaries = [folder.run(run.id).summary() or {} for run in load_results(folder.path).runs]
    losses = [summaries[0]["val_loss"], summaries[1]["initial_loss"], summaries[2]["val_loss"]]
    assert row.final_loss_by_seed == dict(enumerate(losses))
    assert row.final_loss == pytest.approx(sum(losses) / 3)
    assert row.above_floor == pytest.approx(sum(losses) / 3 - FLOOR)
    assert row.loss_split == "validation", "a diverged run was evaluated on nothing"
    table = text_table([row])
    assert table.rows[0][table.headers.index("diverged")].text == "1 of 3"
    assert table.rows[0][table.headers.index("finished")].text == "2 of 3"


def test_init_only_has_no_final_loss(tmp_path: Path) -> None:
    rows = cell_rows(frames_of(make_sweep(tmp_path / "s", shapes=[Shape(), Shape(n_embd=128, steps=0)]).path))
    trained, probed = rows[0], rows[-1]
    assert trained.final_loss is not None
    assert probed.final_loss is None
    assert "init only" in probed.note
    table = text_table(rows)
    place = next(index for index, header in enumerate(table.headers) if header.startswith("final loss"))
    assert table.rows[-1][place].text == "–"
    assert table.rows[-1][table.headers.index("diverged")].text == "–"


def test_columns_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    floorless = text_table(cell_rows(frames_of(make_sweep(tmp_path / "a", floor=None).path)))
    assert not any("floor" in header for header in floorless.headers)
    assert "note" not in floorless.headers
    untrained = text_table(cell_rows(frames_of(make_sweep(tmp_path / "b", shapes=[Shape(steps=0)]).path)))
    assert not any("final" in header for header in untrained.headers)
    assert "n_layer" not in untrained.headers
    two = text_table(cell_rows(frames_of(make_sweep(tmp_path / "c", shapes=[Shape(2), Shape(3)]).path)))
    assert "n_layer" in two.headers


def test_runs_without_a_result_are_named_worst_first(tmp_path: Path) -> None:
    ends = ["running", "missing", "interrupted", "diverged", "failed", "finished"]
    frames = frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], range(6), outcome=lambda i, a, s: ends[s]).path)
    named = not_ok(frames.results)
    assert [run.status for run in named] == ["failed", "diverged", "interrupted", "missing", "running"]
    assert named[0].label == "gpt2 · gelu · seed 4"
    assert "out of memory" in named[0].reason
    assert named[1].reason == "loss is not finite at step 15"
    assert all(run.reason and run.id for run in named)
    assert frames.results.counts == dict.fromkeys(ends, 1)
    (row,) = cell_rows(frames)
    assert row.note == "1 failed, 1 interrupted, 1 missing, 1 running"


def test_one_seed_has_a_mean_and_no_spread(tmp_path: Path) -> None:
    (row,) = cell_rows(frames_of(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path))
    assert row.final_loss is not None
    assert row.final_loss_sd is None
    assert row.final_loss_interval is None
    assert not any("±" in cell.text for cell in text_table([row]).rows[0])


def test_numbers_as_text() -> None:
    assert number(None) == "–"
    assert number(-0.5) == "−0.500"
    assert [factor(value) for value in (None, 1.0, 12.345, 1234.5, 3e7)] == ["–", "1", "12.3", "1234", "3e+07"]
