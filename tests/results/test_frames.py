"""Loading: what is stored is what the frames hold, and nothing a crash leaves behind stops it."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.reading import load_results
from tests.reporting.stored import FLOOR, Shape, frames_of, make_sweep


def test_frames_hold_what_the_files_hold(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1], [Shape(n_layer=3, steps=20)])
    frames = frames_of(folder.path)
    assert frames.results.name == "s"
    assert len(frames.runs) == 2
    for entry in load_results(folder.path).runs:
        run, summary = folder.run(entry.id), folder.run(entry.id).summary() or {}
        row = frames.runs.set_index("id").loc[entry.id]
        assert row["final_loss"] == row["val_loss"] == summary["val_loss"]
        assert row["model.n_layer"] == 3
        assert row["entropy_floor"] == FLOOR
        curves = frames.curves[frames.curves["id"] == entry.id]
        stored = run.metrics()
        assert curves["step"].tolist() == [line["step"] for line in stored] == list(range(21))
        assert curves["train_loss"].tolist()[:-1] == [line["train_loss"] for line in stored[:-1]]
        assert math.isnan(curves["train_loss"].iloc[-1])
        assert curves["val_loss"].count() == sum("val_loss" in line for line in stored)


def test_probes_stand_at_their_sites(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(n_layer=3, steps=0)])
    layers = frames_of(folder.path).layers
    stored = folder.run(load_results(folder.path).runs[0].id).layers()[0]
    sites = {probe: own["site"].tolist() for probe, own in layers.groupby("probe", observed=True)}
    assert sites["residual_var"] == list(range(7))
    assert sites["attn_ms"] == [1, 3, 5]
    assert sites["mlp_ms"] == [2, 4, 6]
    assert sites["logit_var"] == [6]
    assert layers[layers["probe"] == "residual_var"]["value"].tolist() == stored["residual_var"]
    assert (layers["layer"] == layers["site"] / 2).all()
    assert "loss" not in sites


def test_what_is_measured_inside_a_branch_stands_where_the_branch_ends(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(n_layer=3, steps=20)])
    layers = frames_of(folder.path).layers
    last = layers[layers["step"] == 20]
    sites = {str(probe): own["site"].tolist() for probe, own in last.groupby("probe", observed=True)}
    assert sites["attn_entropy"] == sites["update_ratio_value"] == sites["attn_ms"] == [1, 3, 5]
    assert sites["dead_units"] == sites["update_ratio_ffn_up"] == sites["mlp_ms"] == [2, 4, 6]
    assert layers[layers["probe"] == "update_ratio_value"]["step"].min() > 0


def test_cells_of_one_block_probe_like_the_others(tmp_path: Path) -> None:
    """With one block, one number a block and a single number have the same length."""
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(n_layer=1, steps=0)])
    layers = frames_of(folder.path).layers
    sites = {str(probe): own["site"].tolist() for probe, own in layers.groupby("probe", observed=True)}
    assert (sites["attn_ms"], sites["mlp_ms"], sites["logit_var"]) == ([1], [2], [2])


def test_every_status_has_its_row(tmp_path: Path) -> None:
    ends = ["finished", "diverged", "failed", "interrupted", "running", "missing"]
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], range(6), outcome=lambda i, a, seed: ends[seed])
    frames = frames_of(folder.path)
    assert frames.runs.sort_values("seed")["status"].tolist() == ends
    ended = frames.runs.set_index("status")
    assert ended["final_loss"].count() == 2, "only a run that ended with a result has a final loss"
    diverged = frames.runs[frames.runs["status"] == "diverged"]
    assert diverged["final_loss"].tolist() == diverged["initial_loss"].tolist()
    assert ended.loc["diverged", "diverged_at"] == 15
    assert ended["growth"].count() == 5, "growth is known to every run that reached step 0"
    assert set(frames.curves["seed"]) == {0, 1, 2, 3, 4}


def test_torn_last_lines_and_empty_folders_are_read_past(tmp_path: Path) -> None:
    """Of a run that was killed, that is: the files of a finished one have checksums."""
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1], outcome=lambda i, a, s: ["running", "missing"][s])
    torn, empty = load_results(folder.path).runs
    before = frames_of(folder.path)
    assert not before.curves.empty
    for name in ("metrics.jsonl", "layers.jsonl"):
        (written,) = folder.run(torn.id).path.glob(f"attempt-*/{name}")
        with written.open("a") as file:
            file.write('{"step":31,"train_lo')
    folder.run(empty.id).path.mkdir()
    after = frames_of(folder.path)
    assert after.curves.equals(before.curves)
    assert after.layers.equals(before.layers)
    assert after.runs["status"].tolist() == ["running", "missing"]


def test_nothing_started_yet(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", outcome=lambda i, a, s: "missing")
    frames = frames_of(folder.path)
    assert set(frames.runs["status"]) == {"missing"}
    assert frames.curves.empty
    assert frames.layers.empty


def test_nulls_become_nan(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], outcome=lambda i, a, s: "diverged")
    path = folder.run(load_results(folder.path).runs[0].id).path
    with (path / "layers.jsonl").open("a") as file:
        file.write(json.dumps({"step": 15, "residual_var": [None] * 5, "logit_var": None}) + "\n")
    with (path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 15, "train_loss": None}) + "\n")
    frames = frames_of(path.parent.parent)
    assert frames.layers["value"].isna().sum() == 6
    assert math.isnan(frames.curves["train_loss"].iloc[-1])


def test_an_untrained_run_has_no_final_loss(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s", shapes=[Shape(steps=0)]).path)
    assert frames.runs["final_loss"].isna().all()
    assert frames.runs["train_loss"].notna().all()


def test_cells_that_differ_only_in_a_blocks_override_have_labels_of_their_own(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(steps=20), Shape(steps=0)])
    frames = frames_of(folder.path)
    assert [cell.label for cell in frames.results.cells] == ["gpt2 · gelu · steps=20", "gpt2 · gelu · steps=0"]
    assert frames.runs["cell"].is_unique


def test_a_folder_without_a_sweep_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match="no such folder"):
        frames_of(tmp_path / "nowhere")
    with pytest.raises(InitlabError, match=r"no readable sweep\.json"):
        frames_of(tmp_path)


def test_loading_imports_neither_torch_nor_matplotlib() -> None:
    code = "import sys, initlab.results.frames; print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
