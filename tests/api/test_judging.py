"""Judgements: verdicts, counts, exit codes and JUnit from one value."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from initlab.api.judging import Judgement, claims, gate
from initlab.errors import InitlabError
from initlab.verdicts.verdict import Verdict
from tests.reporting.stored import make_sweep

GATES = '[[gate]]\nid = "small"\nmetric = "growth"\nseeds = "every"\nmax = {most}\n'


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return make_sweep(tmp_path / "s").path


@pytest.mark.parametrize(("most", "result", "code"), [("1e9", "pass", 0), ("1e-9", "fail", 1)])
def test_a_gate_decides_the_exit_code(sweep: Path, tmp_path: Path, most: str, result: str, code: int) -> None:
    (tmp_path / "gates.toml").write_text(GATES.format(most=most))
    judged = gate(sweep, tmp_path / "gates.toml")
    assert (judged.result, judged.exit_code()) == (result, code)
    assert judged.counts == {result: len(judged)}
    assert judged.to_frame()["verdict"].tolist() == [verdict.verdict for verdict in judged]
    assert judged.to_json()["verdicts"][0]["id"] == "small"
    suite = ElementTree.fromstring(judged.to_junit())
    assert len(list(suite.iter("testcase"))) == len(judged)
    assert len(list(suite.iter("failure"))) == (len(judged) if code else 0)


def test_claims_have_no_result_but_may_lack_runs(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text('[[claim]]\nid = "a"\ntext = "b"\nmetric = "growth"\nmin = 0.0\n')
    judged = claims(sweep, tmp_path)
    assert judged.result is None
    assert judged.exit_code() == 0
    lacking = Verdict("a", "b", "UNDECIDED", "seed 1 is missing", complete=False)
    assert Judgement("t", "s", (lacking,)).exit_code() == 3


def test_a_file_that_is_not_there_is_a_mistake(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match="no such gates file"):
        gate(sweep, tmp_path / "gates.toml")


def test_junit_and_github_are_written_where_they_are_asked_for(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(GATES.format(most="1e-9"))
    judged = gate(sweep, tmp_path / "gates.toml")
    judged.write_junit(tmp_path / "deep" / "junit.xml")
    assert (tmp_path / "deep" / "junit.xml").read_text() == judged.to_junit()
    summary = tmp_path / "summary.md"
    judged.publish_to_github({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    assert "small" in summary.read_text()
    (tmp_path / "file").write_text("")
    with pytest.raises(InitlabError, match="cannot write"):
        judged.write_junit(tmp_path / "file" / "junit.xml")
