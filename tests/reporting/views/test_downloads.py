"""Numbers for programs: the JSON document and the CSV files agree with the frames."""

import csv
import io
from pathlib import Path

from initlab.reporting.analysis import analyse
from initlab.results.reading import load_results
from tests.reporting.stored import make_sweep


def test_files_hold_a_row_a_cell_and_a_row_a_run(tmp_path: Path) -> None:
    analysis = analyse(load_results(make_sweep(tmp_path / "s").path))
    texts = analysis.csv_texts()
    cells, runs = (list(csv.DictReader(io.StringIO(texts[name]))) for name in ("summary.csv", "runs.csv"))
    assert [row["label"] for row in cells] == [row.label for row in analysis.rows]
    assert [row["id"] for row in runs] == [run.id for run in analysis.results.runs]
    document = analysis.document()
    assert [row["label"] for row in document["cells"]] == [row["label"] for row in cells]
    assert document["counts"] == {"finished": len(runs)}
