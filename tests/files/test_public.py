"""Public values: JSON types alone, a version, and displays that are text."""

import json
import math
from typing import Any

import pandas as pd

from initlab.files.public import PublicTable, PublicValue


class Value(PublicValue):
    def document(self) -> dict[str, Any]:
        return {"number": math.inf, "names": ("a", "b"), "inner": {"nan": math.nan}}

    def describe(self) -> str:
        return "a <value>"


class Table(PublicTable, Value):
    def to_frame(self) -> pd.DataFrame:
        return pd.DataFrame({"x": [1, 2]})


def test_the_document_is_versioned_json() -> None:
    document = Value().to_json()
    assert document == {"schema_version": 1, "number": None, "names": ["a", "b"], "inner": {"nan": None}}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_displays_are_text_and_never_markup() -> None:
    assert repr(Value()) == "a <value>"
    assert Value()._repr_html_() == "<pre>a &lt;value&gt;</pre>"
    shown = Table()._repr_html_()
    assert "a &lt;value&gt;" in shown
    assert shown.count("<tr") == 3
