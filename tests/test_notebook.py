"""The notebook in ``examples/`` runs from its first cell to its last."""

from pathlib import Path

import pytest

from tests.conftest import optional_module

NOTEBOOK = Path(__file__).parents[1] / "examples" / "sweep_from_python.ipynb"


@pytest.mark.notebook
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = optional_module("nbclient"), optional_module("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if "data" in output]
    assert sum("image/png" in data for data in shown) == 2
    assert any("<table" in data.get("text/html", "") for data in shown)
    assert (tmp_path / "results" / "notebook" / "report" / "index.html").is_file()
