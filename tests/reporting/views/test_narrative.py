"""The sentences: they must not claim more than the seeds can say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from initlab.reporting.views.cell_table import CellRow, cell_rows
from initlab.reporting.views.narrative import banner, describe, headline, shared_settings, versions
from initlab.results.frames import SweepFrames
from initlab.results.reading import load_results
from tests.reporting.stored import Shape, frames_of, make_sweep


def swept(path: Path, seeds: int = 3) -> tuple[SweepFrames, list[CellRow]]:
    frames = frames_of(make_sweep(path / "s", activations=["gelu"], seeds=range(seeds)).path)
    return frames, cell_rows(frames)


def with_losses(row: CellRow, losses: list[float], **more: Any) -> CellRow:
    mean = sum(losses) / len(losses)
    return replace(row, final_loss=mean, final_loss_by_seed=dict(enumerate(losses)), **more)


def test_the_best_is_the_lowest_mean(tmp_path: Path) -> None:
    frames, (one, two) = swept(tmp_path)
    (text,) = headline(frames, [with_losses(one, [2.0, 2.1, 2.2]), with_losses(two, [1.5, 1.6, 1.7])])
    assert "lowest mean final loss is depth-scaled · gelu at 1.600" in text
    assert "Next is gpt2 · gelu, 0.500 nats behind" in text


def test_a_gap_within_the_seeds_noise_is_said_to_be_one(tmp_path: Path) -> None:
    frames, (one, two) = swept(tmp_path)
    (unclear,) = headline(frames, [with_losses(one, [2.0, 2.3, 1.9]), with_losses(two, [1.9, 2.0, 2.2])])
    assert "these seeds do not separate the two" in unclear
    (clear,) = headline(frames, [with_losses(one, [2.0, 2.3, 1.9]), with_losses(two, [1.5, 1.81, 1.4])])
    assert "do not separate" not in clear
    assert "picked after looking" in clear


def test_one_and_two_seeds_claim_no_test(tmp_path: Path) -> None:
    (one,) = headline(*swept(tmp_path / "1", seeds=1))
    assert "one seed: no spread" in one
    (two,) = headline(*swept(tmp_path / "2", seeds=2))
    assert "n = 2 seeds: the spread is not a test" in two
    assert "interval" not in one + two


def test_survivors_do_not_win(tmp_path: Path) -> None:
    ends = {("depth-scaled", 1): "diverged", ("depth-scaled", 2): "diverged"}
    inits = ["depth-scaled", "gpt2"]
    sweep = make_sweep(
        tmp_path / "s", inits, ["gelu"], range(3), outcome=lambda i, a, s: ends.get((i, s), "finished")
    )
    frames = frames_of(sweep.path)
    rows = cell_rows(frames)
    (text,) = headline(frames, rows)
    assert rows[1].final_loss is not None
    assert rows[0].final_loss_by_seed[0] < rows[1].final_loss, "by the runs that survived it would win"
    assert "lowest mean final loss is gpt2 · gelu" in text


def test_the_best_says_which_of_its_runs_diverged(tmp_path: Path) -> None:
    frames, (one, two) = swept(tmp_path)
    rows = [with_losses(one, [5.5, 5.6, 5.5]), with_losses(two, [1.5, 1.5, 5.5], finished=2, diverged=1)]
    (text,) = headline(frames, rows)
    assert "lowest mean final loss is depth-scaled · gelu" in text
    assert "1 of its 3 runs diverged and count with their loss at init" in text


def test_unequal_sizes_are_not_compared(tmp_path: Path) -> None:
    shapes = [Shape(2), Shape(4), Shape(4, n_embd=128, steps=0)]
    frames = frames_of(make_sweep(tmp_path / "s", shapes=shapes).path)
    said = headline(frames, cell_rows(frames))
    assert [text.split(":")[0] for text in said] == ["n_layer=2", "n_layer=4"]


def test_learning_rates_compete_within_a_setting(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", shapes=[Shape(lr=1e-3), Shape(lr=3e-3)]).path)
    (text,) = headline(frames, cell_rows(frames))
    assert "lr=0.001" in text


def test_growth_is_the_headline_where_nothing_was_trained(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", shapes=[Shape(steps=0)]).path)
    (text,) = headline(frames, cell_rows(frames))
    assert text.startswith("Nothing was trained.")
    assert "in depth-scaled · gelu, the most" in text


def test_the_banner_counts_and_is_silent_when_all_is_well(tmp_path: Path) -> None:
    ends = {0: "finished", 1: "failed", 2: "missing"}
    partly = make_sweep(tmp_path / "a", ["gpt2"], ["gelu"], range(3), outcome=lambda i, a, s: ends[s])
    warning = banner(load_results(partly.path))
    assert warning is not None
    assert (warning.kind, "1 of 3 runs finished, 1 failed, 1 missing" in warning.text) == ("partial", True)
    running = make_sweep(tmp_path / "b", ["gpt2"], ["gelu"], [0], outcome=lambda i, a, s: "running")
    warning = banner(load_results(running.path))
    assert warning is not None
    assert warning.kind == "running"
    whole = make_sweep(tmp_path / "c", outcome=lambda i, a, s: ["finished", "diverged"][s])
    assert banner(load_results(whole.path)) is None


def test_description_settings_and_versions(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", shapes=[Shape(2), Shape(8, n_embd=128, steps=0)]).path)
    text = describe(frames)
    assert "2 inits (gpt2 and depth-scaled) × 2 activations (gelu and relu)" in text
    assert "2 and 8 layers and width 64 and 128" in text
    assert "4 of 8 cells are probed at init only" in text
    shared = dict(shared_settings(frames.results))
    assert shared["data.corpus"] == "synthetic"
    assert "model.n_layer" not in shared
    assert dict(versions(frames.results))["torch"] == "2.9.0"
