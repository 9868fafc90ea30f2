"""JUnit XML: what its readers expect, and what text cannot break."""

from pathlib import Path
from xml.etree import ElementTree

from initlab.verdicts.junit import junit_xml
from initlab.verdicts.verdict import Verdict
from tests.conftest import optional_module

VERDICTS = [
    Verdict("a", "text", "pass", "fine", about="gpt2 · gelu"),
    Verdict("b", "text", "fail", '0.5 <= 0.1 & "worse" \x00\x1b', about="gpt2 · relu"),
    Verdict("b", "text", "inconclusive", "open", about="pytorch"),
    Verdict("c", "text", "error", "seed 2 failed"),
    Verdict("d", "text", "REFUTED", "no"),
    Verdict("e", "text", "UNDECIDED", "open"),
    Verdict("f", "text", "SUPPORTED", "yes"),
]


def test_the_common_schema() -> None:
    """testsuites > testsuite > testcase; names and times everywhere; counts that add up; one result a case."""
    root = ElementTree.fromstring(junit_xml(VERDICTS, "ci"))
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for element in (root, suite):
        assert {name: element.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": "7",
            "failures": "2",
            "errors": "1",
            "skipped": "2",
        }
        assert element.get("name")
    for case in suite:
        assert case.tag == "testcase"
        assert {"name", "classname", "time"} <= set(case.attrib)
        assert [child.tag in ("failure", "error", "skipped") for child in case] in ([], [True])
    assert [case[0].tag if len(case) else None for case in suite] == [
        *(None, "failure", "skipped", "error", "failure", "skipped"),
        None,
    ]
    assert suite[1].get("classname") == "initlab.ci.gpt2 · relu"
    assert suite[1][0].get("message") == '0.5 <= 0.1 & "worse" \\x00\\x1b'


def test_another_implementation_reads_it(tmp_path: Path) -> None:
    junitparser = optional_module("junitparser")
    path = tmp_path / "junit.xml"
    path.write_text(junit_xml(VERDICTS, "ci"), encoding="utf-8")
    found = junitparser.JUnitXml.fromfile(str(path))
    (suite,) = found
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (7, 2, 1, 2)
    results = [[type(result).__name__ for result in case.result] for case in suite]
    assert results == [[], ["Failure"], ["Skipped"], ["Error"], ["Failure"], ["Skipped"], []]
    suite.update_statistics()
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (7, 2, 1, 2)


def test_no_verdicts_is_an_empty_suite() -> None:
    assert ElementTree.fromstring(junit_xml([], "x"))[0].get("tests") == "0"
