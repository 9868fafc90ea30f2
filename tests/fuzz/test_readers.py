"""Whatever is read is read, or refused in one message. The long form is ``make fuzz``."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.readers import READERS, outcome
from tests.fuzz.strategies import inputs


@settings(max_examples=500, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given_input=inputs())
def test_an_input_is_read_or_refused(given_input: tuple[str, bytes]) -> None:
    assert outcome(*given_input) in ("read", "refused")


FOUND: list[tuple[str, bytes]] = []
"""What fuzzing found, each once: what raised something else than InitlabError, or took minutes."""


@pytest.mark.parametrize(("name", "content"), FOUND)
def test_what_was_found_stays_found(name: str, content: bytes) -> None:
    assert outcome(name, content) in ("read", "refused")


def test_a_reader_that_raises_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "init", lambda content: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        outcome("init", b"gpt2")
