"""Numbers for programs: the JSON document and the CSV files agree with the frames."""

import csv
import io
from pathlib import Path

from initlab.reporting.analysis import analyse
from initlab.results.reading import load_results
from tests.reporting.stored import Shape, make_sweep


def test_files_hold_a_row_a_cell_and_a_row_a_run(tmp_path: Path) -> None:
    analysis = analyse(load_results(make_sweep(tmp_path / "s").path))
    texts = analysis.csv_texts()
    cells, runs = (list(csv.DictReader(io.StringIO(texts[name]))) for name in ("summary.csv", "runs.csv"))
    assert [row["label"] for row in cells] == [row.label for row in analysis.rows]
    assert [row["id"] for row in runs] == [run.id for run in analysis.results.runs]
    document = analysis.document()
    assert [row["label"] for row in document["cells"]] == [row["label"] for row in cells]
    assert document["counts"] == {"finished": len(runs)}


def test_a_best_rate_at_an_end_of_the_grid_is_null_and_has_a_bound(tmp_path: Path) -> None:
    shapes = [Shape(n_layer=depth, lr=lr) for depth in (2, 4) for lr in (1e-4, 1e-3)]
    document = analyse(load_results(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1], shapes).path)).document()
    for row in document["sensitivities"]:
        assert row["optimum"] is None
        assert None in row["optimum_interval"]
        assert row["span"] == [1e-4, 1e-3]
    (shift,) = (row for row in document["scalings"] if row["what"] == "best learning rate")
    assert shift["slope"] is None
    assert "an end of the grid" in shift["problem"]
