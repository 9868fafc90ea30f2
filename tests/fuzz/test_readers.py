"""Whatever is read is read, or refused in one message; what ``make fuzz``, the long form, finds is tested here."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.readers import READERS, outcome, stored_file
from tests.fuzz.strategies import inputs


@settings(max_examples=500, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given_input=inputs())
def test_an_input_is_read_or_refused(given_input: tuple[str, bytes]) -> None:
    assert outcome(*given_input) in ("read", "refused")


def test_a_stored_plan_may_lack_what_it_always_had() -> None:
    document = json.loads(stored_file("sweep.json")[1])
    del document["cells"][0]["fields"]["train"]["lr"]  # a KeyError in the report, once
    assert outcome("sweep.json", json.dumps(document).encode()) == "read"


def test_a_reader_that_raises_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "init", lambda content: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        outcome("init", b"gpt2")
