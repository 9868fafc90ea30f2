"""Whatever is wrong with a stored file: nothing accepted, nothing deleted, and the next sweep repairs it."""

import random
from pathlib import Path

import pytest

from tests.faults.damage import KINDS
from tests.faults.damaging import CASES, damaged, inflicted, said_by, unrepaired, whole_sweep

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = random.Random(14).sample(CASES, 36)
"""``make torture`` has all."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_sweep(tmp_path_factory.mktemp("whole") / "sweep")


def test_there_are_forty_kinds() -> None:
    assert len(KINDS) >= 40


@pytest.mark.parametrize(("file", "kind"), SHORT)
def test_a_damaged_file(file: str, kind: str, whole: Path, tmp_path: Path) -> None:
    assert damaged(whole, tmp_path / "a" / "b" / "sweep", file, kind) == []


def test_readers_of_a_sweep_that_nothing_happened_to_name_no_file(whole: Path) -> None:
    """The twin: what the other tests look for is said of damaged files alone."""
    run = sorted((whole / "runs").iterdir())[0].name
    for reader, said in said_by(whole, run):
        assert "damaged:" not in said, reader
        assert "metrics.jsonl" not in said, reader


def test_a_sweep_that_nobody_repaired_is_noticed(whole: Path, tmp_path: Path) -> None:
    path = inflicted(whole, tmp_path / "a" / "b" / "sweep", "metrics", "shuffled")
    assert path is not None
    assert unrepaired(whole, tmp_path / "a" / "b" / "sweep", "metrics", path, [b"what is gone"]) == [
        "the sweep after it ended otherwise",
        "something was deleted",
    ]
