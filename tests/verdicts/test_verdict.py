"""Verdicts as a public document."""

import json
import math

from initlab.files.json import SCHEMA_VERSION
from initlab.stats.summaries import Interval
from initlab.verdicts.verdict import Verdict, document, fewest_seeds

PLAIN = Verdict(id="loss", text="loss is low", verdict="pass", reason="2.5", value=2.5, ci=Interval(2.4, 2.6), n=3)


def test_the_document_has_what_a_verdict_has() -> None:
    stored = document([PLAIN])
    assert stored["schema_version"] == SCHEMA_VERSION
    (one,) = stored["verdicts"]
    assert (one["id"], one["verdict"], one["value"], one["ci"], one["n"]) == ("loss", "pass", 2.5, [2.4, 2.6], 3)
    assert "parts" not in one


def test_a_limit_that_there_is_not_is_null() -> None:
    stored = Verdict("x", "", "pass", "", ci=Interval(-math.inf, 1.0), sides="at most").to_json()
    assert (stored["ci"], stored["sides"], stored["value"]) == ([None, 1.0], "at most", None)
    assert [Interval(*ends).sides for ends in ((0, 1), (0, math.inf), (-math.inf, math.inf))] == [
        *("two-sided", "at least", "none")
    ]


def test_seeds_are_counted_where_something_was_measured() -> None:
    law = Verdict("law", "", "SUPPORTED", "", metric="law", n=1)
    assert fewest_seeds([law]) is None
    assert fewest_seeds([law, PLAIN, Verdict("all", "", "fail", "", n=9, parts=(PLAIN,))]) == 3


def test_parts_are_verdicts_of_their_own() -> None:
    whole = Verdict(id="all", text="", verdict="fail", reason="", parts=(PLAIN,))
    assert whole.to_json()["parts"] == [PLAIN.to_json()]


def test_what_is_not_finite_is_none_so_that_every_reader_of_json_can_read_it() -> None:
    lost = Verdict(id="x", text="", verdict="fail", reason="", value=math.inf, limit=[-math.inf, 1.0])
    stored = lost.to_json()
    assert (stored["value"], stored["limit"]) == (None, [None, 1.0])
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
