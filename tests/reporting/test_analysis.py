"""An analysis: worked out once, from one reading, without drawing anything."""

import subprocess
import sys
from pathlib import Path

from initlab.reporting.analysis import analyse
from initlab.results.reading import load_results
from tests.reporting.stored import make_sweep


def test_it_derives_from_the_results_it_was_given(tmp_path: Path) -> None:
    results = load_results(make_sweep(tmp_path / "s").path)
    analysis = analyse(results)
    assert analysis.results is results
    assert set(analysis.flags) <= set(analysis.headline)
    assert [row.index for row in analysis.rows] == [cell.index for cell in results.cells]
    assert analysis.figures


def test_nothing_is_drawn(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s").path
    code = "import sys\nfrom initlab.reporting.analysis import analyse\n"
    code += f"from initlab.results.reading import load_results\nanalyse(load_results({str(path)!r}))\n"
    code += "print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
