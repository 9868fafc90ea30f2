"""The written report: complete, self-contained, byte-identical, and deaf to what a name tries to say."""

import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.files.escaping import UNSAFE
from initlab.reporting.views.cell_table import cell_rows
from initlab.results.reading import load_results
from tests.reporting.stored import Shape, frames_of, make_sweep, write

HOSTILE = '=a|b <script>alert("x")</script> [l](u) `c` \x1b[2J\u202e'
ENDS = {("gpt2", 0): "failed", ("gpt2", 1): "missing", ("depth-scaled", 1): "diverged"}


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Tags(HTMLParser):
    """Collects elements and attribute values: what a browser would see as markup."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_everything_is_written_and_the_same_bytes_twice(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", shapes=[Shape(2), Shape(3, steps=0)]).path
    page = write(path)
    assert page == path / "report" / "index.html"
    first = digest(page.parent)
    assert {"index.html", "report.md", "summary.csv", "runs.csv", "summary.json"} <= set(first)
    assert len([name for name in first if name.endswith(".svg")]) == 10
    assert len([name for name in first if name.endswith(".png")]) == 10
    assert not any("/." in f"/{name}" for name in first), "no temporary file is left"
    write(path)
    assert digest(page.parent) == first


def test_only_the_formats_asked_for(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path
    write(path, formats=("csv", "json"))
    assert set(digest(path / "report")) == {"summary.csv", "runs.csv", "summary.json"}
    with pytest.raises(InitlabError, match="no report format 'pdf'"):
        write(path, formats=("pdf",))


def test_tables_as_data_hold_the_rows(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu", "relu"], [0, 1]).path
    write(path, formats=("csv", "json"))
    rows = cell_rows(frames_of(path))
    with (path / "report" / "summary.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [float(line["final_loss"]) for line in read] == pytest.approx([row.final_loss for row in rows])
    document = json.loads((path / "report" / "summary.json").read_text())
    assert document["schema_version"] == 1
    assert document["counts"] == {"finished": 4}
    assert [cell["label"] for cell in document["cells"]] == ["gpt2 · gelu", "gpt2 · relu"]
    assert document["cells"][0]["final_loss_by_seed"].keys() == {"0", "1"}
    with (path / "report" / "runs.csv").open(newline="") as file:
        assert [line["status"] for line in csv.DictReader(file)] == ["finished"] * 4


def test_runs_without_a_result_are_named_everywhere(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", activations=["gelu"], outcome=lambda i, a, s: ENDS.get((i, s), "finished"))
    page = write(folder.path).read_text()
    report = folder.path / "report"
    results = load_results(folder.path)
    bad = [run for run in results.runs if (results.cells[run.cell_index].init, run.seed) in ENDS]
    not_ok = json.loads((report / "summary.json").read_text())["not_ok"]
    assert {run["id"] for run in not_ok} == {run.id for run in bad}
    for text in (page, (report / "report.md").read_text().replace("\\", "")):
        assert "1 of 4 runs finished, 1 diverged, 1 failed, 1 missing" in text
        assert "1 of 2" in text
        for run in bad:
            assert run.id in text
            assert run.label in text
    assert "out of memory | asked for &lt;2 GiB&gt;" in page


def test_hostile_names_are_text(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2", HOSTILE], ["gelu"], [0], question=HOSTILE).path
    page = write(path).read_text()
    harmless = make_sweep(tmp_path / "t", ["gpt2", "other"], ["gelu"], [0], question="?").path
    expected = Tags(write(harmless).read_text())
    assert Tags(page).tags == expected.tags, "a name makes no element"
    island = json.loads(re.findall(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[0])
    assert island["inits"] == ["gpt2", HOSTILE]
    markdown = (path / "report" / "report.md").read_text()
    for line in markdown.splitlines():
        assert "<script" not in line.replace("\\<", "")
    widths = {
        len(re.findall(r"(?<!\\)\|", line)) for line in markdown.split("## Cells")[1].splitlines() if "| " in line
    }
    cells = markdown.split("## Cells")[1].split("\n\n")[1].splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in cells}) == 1, (
        "every row has as many cells as the head"
    )
    assert widths
    for file in (path / "report").rglob("*"):
        if file.suffix in (".md", ".html", ".csv", ".svg"):
            assert not UNSAFE.search(file.read_text()), file
    assert json.loads((path / "report" / "summary.json").read_text())["question"] == HOSTILE
    with (path / "report" / "runs.csv").open(newline="") as table:
        cells = [cell for row in csv.reader(table) for cell in row]
    assert any(cell.startswith("'=a|b <script>") for cell in cells)
    assert not any(cell.startswith(("=", "@")) for cell in cells)


def test_the_page_asks_the_network_for_nothing(tmp_path: Path) -> None:
    page = write(make_sweep(tmp_path / "s").path).read_text()
    assert not re.search(r"https?:|//[a-z]", page.replace("// ", ""))
    found = Tags(page)
    assert not {"img", "iframe", "object", "embed"} & set(found.tags)
    assert ("http-equiv", "Content-Security-Policy") in found.attributes
    assert [value for name, value in found.attributes if name == "href" and value and value[0] != "#"] == ["data:,"]
    assert not [value for name, value in found.attributes if name in ("src", "srcset", "xlink:href")]


def test_markdown_points_at_figures_that_exist(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path
    write(path)
    images = re.findall(r"!\[.*?\]\((.*?)\)", (path / "report" / "report.md").read_text())
    assert len(images) == 9
    assert all((path / "report" / image).is_file() for image in images)


def test_figures_of_an_earlier_report_do_not_linger(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0], [Shape(steps=0)]).path
    stale = path / "report" / "figures" / "loss-curves.svg"
    stale.parent.mkdir(parents=True)
    stale.touch()
    write(path)
    assert not stale.exists()


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    page = write(make_sweep(tmp_path / "s", outcome=lambda i, a, s: "missing").path).read_text()
    assert "0 of 8 runs finished, 8 missing" in page
    assert "<figure" not in page


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0]).path
    (path / "report").write_text("in the way")
    with pytest.raises(InitlabError, match="cannot write the report"):
        write(path)


def test_the_claims_of_a_sweep_are_judged_where_it_has_some(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1, 2]).path
    page = write(path)
    assert "Claims" not in page.read_text()
    claim = '[[claim]]\nid = "x"\ntext = "<b>small</b>"\nmetric = "final_loss"\nmax = 9.0\n'
    (path / "claims.toml").write_text(claim)
    write(path)
    for text in (page.read_text(), (page.parent / "report.md").read_text()):
        assert "SUPPORTED" in text
        assert "<b>" not in text
    assert json.loads((page.parent / "summary.json").read_text())["claims"][0]["verdict"] == "SUPPORTED"
    (path / "claims.toml").write_text(claim.replace("final_loss", "final_los"))
    write(path)
    assert "Not judged: claims.toml, line 4" in page.read_text().replace("&#39;", "'")
