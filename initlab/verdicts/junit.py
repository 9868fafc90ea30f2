"""Verdicts as JUnit XML: a test case for each check, so that any CI shows them."""

import re
from collections import Counter
from xml.etree import ElementTree

from initlab.files.escaping import visible
from initlab.verdicts.verdict import Verdict

TAGS = {"fail": "failure", "REFUTED": "failure", "inconclusive": "skipped", "UNDECIDED": "skipped", "error": "error"}
"""What stands inside a test case; a passed one is empty."""


def junit_xml(verdicts: list[Verdict], suite: str) -> str:
    """Return one test suite; a test case is named by what it measures and classed by the cell it measures it in."""
    tags = [TAGS.get(verdict.verdict) for verdict in verdicts]
    count = Counter(tags)
    numbers = {
        "tests": str(len(verdicts)),
        "failures": str(count["failure"]),
        "errors": str(count["error"]),
        "skipped": str(count["skipped"]),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", {"name": "initlab", **numbers})
    element = ElementTree.SubElement(root, "testsuite", {"name": _printable(suite), **numbers})
    for verdict, tag in zip(verdicts, tags, strict=True):
        classname = ".".join(["initlab", suite, *([verdict.about] if verdict.about else [])])
        case = ElementTree.SubElement(
            element, "testcase", {"classname": _printable(classname), "name": _printable(verdict.id), "time": "0"}
        )
        if tag:
            message = ElementTree.SubElement(case, tag, {"message": _printable(verdict.reason)})
            if tag != "skipped":
                message.set("type", verdict.verdict)
                message.text = _printable(f"{verdict.text}\n{verdict.reason}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """XML 1.0 has no control characters, not even escaped."""
    text = visible(text)
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
