"""``initlab report``: files beside the sweep, and the sweep's document on stdout."""

from pathlib import Path

from tests.cli.run import initlab
from tests.reporting.stored import make_sweep


def test_it_writes_and_prints_one_document(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1]).path
    done = initlab("report", str(path), "--format", "md,csv", "--json")
    assert done.code == 0
    assert [run["status"] for run in done.json["runs"]] == ["finished", "finished"]
    assert sorted(file.name for file in (path / "report").glob("*.*")) == ["report.md", "runs.csv", "summary.csv"]


def test_an_unknown_format_or_folder_is_a_mistake(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path
    assert initlab("report", str(path), "--format", "htm").code == 2
    assert "no such folder" in initlab("report", str(tmp_path / "nothing")).err
