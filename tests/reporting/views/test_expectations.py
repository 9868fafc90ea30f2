"""End to end: networks that are not what their laws say are flagged, and those that are, are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from initlab.reporting.views.expectations import expected, flags
from tests.cli.run import initlab
from tests.reporting.stored import frames_of, make_sweep

LIAR = """
import math
from dataclasses import replace

from initlab.inits.gpt2 import depth_scaled
from initlab.inits.strategy import Strategy, init


def with_factor(role, factor):
    def prepare(tensors, setting):
        times = factor(setting.blueprint.dims)
        return {name: t * times if f".{role}.weight" in name else t for name, t in tensors.items()}

    return replace(depth_scaled(std=0.05), prepare=prepare)


@init("one-projection", source="a test")
def one_projection() -> Strategy:
    \"\"\"Promises the scaling of both projections, and does it to one.\"\"\"
    return with_factor("attn_out", lambda dims: math.sqrt(2 * dims.n_layer))


@init("no-gain", source="a test")
def no_gain() -> Strategy:
    \"\"\"Promises a gain of two in the MLP's first matrix (in variance), and forgets it.\"\"\"
    return with_factor("ffn_up", lambda dims: math.sqrt(0.5))


@init("honest", source="a test")
def honest() -> Strategy:
    \"\"\"Has a hook that changes nothing.\"\"\"
    return with_factor("ffn_up", lambda dims: 1.0)
"""
SIZES = ["--n-layer", "4", "--n-embd", "64", "--block-size", "32", "--steps", "0", "--seeds", "3", "-n", "1"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("liars")
    (folder / "liar.py").write_text(LIAR)
    plugins = [part for name in ("one_projection", "no_gain", "honest") for part in ("--plugin", f"liar.py:{name}")]
    inits = ["--init", "one-projection,no-gain,honest,depth-scaled:std=0.05,mimetic"]
    done = initlab("sweep", *plugins, *inits, *SIZES, "-o", "out", cwd=folder)
    assert done.code == 0, done.err
    return folder / "out", done


def test_a_scaling_on_one_projection_only_is_flagged(swept: Any) -> None:
    frames = frames_of(swept[0])
    row = next(row for row in expected(frames) if row.cell.init == "one-projection")
    misfits = {misfit.curve: misfit for misfit in row.fit.misfits}
    assert row.flagged
    # 2L = 8 times the variance of what is promised, more in later layers, whose tokens attention has made alike.
    assert misfits["attn_ms"].error > 0.7 * 7
    assert not misfits["attn_ms"].explained, "text is no excuse for an error of that size"
    assert "what attention adds is off" in row.verdict
    assert "a bug or a discovery" in row.verdict


def test_a_forgotten_gain_is_flagged(swept: Any) -> None:
    row = next(row for row in expected(frames_of(swept[0])) if row.cell.init == "no-gain")
    misfits = {misfit.curve: misfit for misfit in row.fit.misfits}
    assert row.flagged
    assert -0.7 < misfits["mlp_ms"].error < -0.4  # half, and gelu a little less
    assert "attn_ms" not in misfits


def test_networks_that_are_what_their_laws_say_are_not(swept: Any) -> None:
    rows = {row.cell.init: row for row in expected(frames_of(swept[0]))}
    assert set(rows) == {"one-projection", "no-gain", "honest", "depth-scaled:std=0.05"}
    assert rows["honest"].verdict == rows["depth-scaled:std=0.05"].verdict == "as predicted"
    assert rows["honest"].fit.worst_bands < 4
    law = rows["honest"].predicted["growth_law"]["law"]
    assert rows["honest"].law is not None
    assert rows["honest"].law.law == law == "linear"


def test_flags_are_in_the_headline_the_tables_and_on_the_terminal(swept: Any) -> None:
    folder, done = swept
    summary = json.loads((folder / "report" / "summary.json").read_text())
    told = [line for line in summary["headline"] if "does not do what theory predicts" in line]
    assert told == flags(expected(frames_of(folder)))
    assert len(told) == 2
    assert [row["flagged"] for row in summary["predictions"]] == [True, True, False, False]
    page = (folder / "report" / "index.html").read_text()
    for title in ("Predicted before training", "Not predicted", "predicted, ± sd of one draw"):
        assert title in page
    assert "drawn jointly" in page
    assert done.err.count("a bug or a discovery") >= 2


def test_frames_have_the_prediction_beside_the_measurement(swept: Any) -> None:
    frames = frames_of(swept[0])
    theory = frames.predictions
    assert list(theory.columns) == ["cell", "cell_index", "probe", "site", "layer", "value", "band"]
    assert set(theory["cell"]) == {cell.label for cell in frames.results.cells if cell.init != "mimetic"}
    one = theory[(theory["cell_index"] == 2) & (theory["probe"] == "residual_ms")]
    assert one["site"].tolist() == list(range(9))
    said = frames.results.predictions[2]
    assert one["value"].tolist() == said["sites"]["residual_ms"]
    assert one["band"].tolist() == said["bands"]["residual_ms"]
    attention = theory[(theory["cell_index"] == 2) & (theory["probe"] == "attn_ms")]
    assert attention["site"].tolist() == [1, 3, 5, 7]


def test_a_sweep_that_stored_no_prediction_is_reported_without(tmp_path: Path) -> None:
    frames = frames_of(make_sweep(tmp_path / "s").path)
    assert expected(frames) == []
    assert frames.predictions.empty
    assert frames.results.outlooks == ()
