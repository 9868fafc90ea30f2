"""The report's tables of answers."""

from pathlib import Path

from initlab.reporting.views.tables import AnalysisTables, analysis_tables
from initlab.results.reading import load_results
from tests.reporting.stored import Shape, make_sweep, write


def test_a_sweep_without_such_axes_or_claims_has_none(tmp_path: Path) -> None:
    assert analysis_tables(load_results(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"]).path)) == AnalysisTables()


def test_differences_are_shown_where_there_are_any(tmp_path: Path) -> None:
    found = analysis_tables(load_results(make_sweep(tmp_path / "s", seeds=[0, 1, 2]).path))
    section, overall = found.sections
    assert section.title == "Differences"
    assert "What 3 seeds cannot see" in section.note
    assert {row[8] for row in section.rows} == {"0 of 3 diverged; at most 71% would at 95%"}
    assert [row[:3] for row in overall.rows] == [("depth-scaled", "gpt2", "2"), ("relu", "gelu", "2")]
    assert {row[4:] for row in overall.rows} == {("3", "0")}
    assert [row[:3] for row in section.rows] == [
        ("gelu", "depth-scaled", "gpt2"),
        ("relu", "depth-scaled", "gpt2"),
        ("gpt2", "relu", "gelu"),
        ("depth-scaled", "relu", "gelu"),
    ]
    assert all("[" in row[3] for row in section.rows)
    assert all(row[5].startswith(("different", "tie", "undecided")) for row in section.rows)


def test_many_settings_get_one_number(tmp_path: Path) -> None:
    shapes = [Shape(n_layer=depth, n_embd=width) for depth in (1, 2, 3, 4) for width in (16, 32, 64)]
    path = make_sweep(tmp_path / "s", ["gpt2", "depth-scaled"], ["gelu"], [0, 1, 2], shapes).path
    titles = {section.title: section for section in analysis_tables(load_results(path)).sections}
    (row,) = titles["Differences over all settings"].rows
    assert row[:3] == ("depth-scaled", "gpt2", "12")
    assert row[3].startswith("+0.0")


def test_learning_rates_and_depths_get_a_table_each(tmp_path: Path) -> None:
    shapes = [Shape(n_layer=depth, lr=lr) for depth in (2, 4) for lr in (1e-4, 1e-3)]
    found = analysis_tables(load_results(make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1], shapes).path))
    rates, scales = found.sections
    assert rates.title == "Sensitivity to the learning rate"
    assert [row[0] for row in rates.rows] == ["gpt2 · gelu · n_layer=2", "gpt2 · gelu · n_layer=4"]
    assert all(len(row) == len(section.headers) for section in found.sections for row in section.rows)
    assert rates.rows[0][2] == "0.0001 to 0.001 (1)", "the range enters the numbers"
    assert "(an end of the grid)" in rates.rows[0][5], "of two rates the best is an end"
    assert rates.rows[0][5].startswith(("at least", "at most"))
    (shift,) = (row for row in scales.rows if row[2] == "best learning rate")
    assert shift[3] == "–"
    assert shift[5].startswith("an end of the grid at 2, 4"), "the depths whose best rate is an end are named"
    assert {row[2] for row in scales.rows} >= {"residual_ms.last", "residual_ms.last@end", "best learning rate"}
    assert {row[1] for row in scales.rows} == {"n_layer"}


def test_claims_come_first(tmp_path: Path) -> None:
    path = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0, 1, 2], [Shape(lr=1e-4), Shape(lr=1e-3)]).path
    (path / "claims.toml").write_text('[[claim]]\nid = "x"\nmetric = "final_loss"\nmax = 9.0\n')
    found = analysis_tables(load_results(path))
    assert [section.title for section in found.claims] == ["Claims"]
    assert [section.title for section in found.sections] == ["Sensitivity to the learning rate"]
    assert found.claims[0].rows[0][:2] == ("SUPPORTED", "x")
    page = write(path)
    for text in (page.read_text(), (page.parent / "report.md").read_text()):
        places = [text.index(title) for title in ("Claims", "Cells", "Figures", "Sensitivity to the learning rate")]
        assert places == sorted(places)
    assert [verdict.verdict for verdict in found.judged.verdicts] == ["SUPPORTED"]
