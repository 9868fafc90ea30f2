"""A process is looked up by more than its pid."""

import os
from dataclasses import replace

import pytest

from initlab.store.owner import Owner, process_lives


def test_this_process_lives() -> None:
    here = Owner.here()
    assert here.standing() == "alive"
    assert (here.pid, here.parent) == (os.getpid(), os.getppid())
    assert Owner.from_json(here.to_json()) == here
    assert process_lives(os.getpid())
    assert here.describe() == f"pid {os.getpid()}"


@pytest.mark.parametrize(
    ("change", "standing"),
    [
        ({"started": "1"}, "dead"),
        ({"pid": 2**22 + 7}, "dead"),
        ({"host": "another"}, "elsewhere"),
        ({"boot": "another"}, "elsewhere"),
        ({"namespace": "another"}, "elsewhere"),
    ],
)
def test_what_is_not_this_process(change: dict[str, object], standing: str) -> None:
    assert replace(Owner.here(), **change).standing() == standing  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"pid": 1}, {**Owner.here().to_json(), "pid": -1}, {**Owner.here().to_json(), "host": 3}],
)
def test_what_nobody_here_has_written_is_no_owner(document: object) -> None:
    assert Owner.from_json(document) is None


def test_no_process_has_a_pid_beyond_the_largest() -> None:
    assert not process_lives(2**22 + 7)
