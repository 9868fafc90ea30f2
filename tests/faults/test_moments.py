"""A worker that is killed or stopped right before any call costs nothing; `make torture` tries every call."""

from pathlib import Path

import pytest

from tests.faults.moments import RUNS, calls_of, killed, right_bytes, stopped

EVERY = 7
"""Of the calls, one in so many is tried here: another one for every number of workers."""


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    return right_bytes(tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_worker_is_killed(workers: int, tmp_path: Path, right: dict[str, dict[str, bytes]]) -> None:
    calls = calls_of(tmp_path / "counted")
    assert calls > 100, "or nothing was counted"
    faults = []
    for at in range(workers, calls, EVERY):
        faults += killed(tmp_path / "s", at, workers, right)
    assert faults == []


@pytest.mark.parametrize("here", [True, False])
def test_an_owner_is_stopped(here: bool, tmp_path: Path, right: dict[str, dict[str, bytes]]) -> None:
    calls = calls_of(tmp_path / "counted", RUNS[:1])
    assert calls > 40
    faults = []
    for at in range(calls):
        faults += stopped(tmp_path / "s", at, right, here=here)
    assert faults == []
