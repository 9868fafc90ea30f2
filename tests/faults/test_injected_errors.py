"""Whatever the system refuses, at whatever call: nothing finished is wrong, the next attempt ends in equal bytes."""

import errno
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.run_folder import StorageError
from initlab.store.run_reading import read_result
from tests.faults.damaging import whole_sweep
from tests.faults.injected import READ_ERRORS, WRITE_ERRORS, refused_reads, refused_writes
from tests.faults.lives import RUN, bury, litter, live, run_path, stored, wrong
from tests.faults.refusing import read_calls, refused_read, refused_write, write_calls


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    sweep = tmp_path_factory.mktemp("straight")
    assert live(sweep)
    return stored(sweep)


@pytest.mark.parametrize("lasting", [False, True])
def test_every_call_that_writes(lasting: bool, tmp_path: Path, right: dict[str, bytes]) -> None:
    calls = write_calls(tmp_path / "counted")
    assert calls > 40, "or nothing was counted"
    faults = []
    for at in range(calls):
        number = WRITE_ERRORS[at % len(WRITE_ERRORS)]
        faults += refused_write(tmp_path / f"{at}", number, at, lasting, right)
    assert faults == []


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path) -> None:
    with refused_writes(errno.ENOSPC, 8, lasting=True), pytest.raises(StorageError) as said:
        live(tmp_path)
    assert "No space left on device; make space on that disk" in str(said.value)
    assert "Traceback" not in str(said.value)


def test_every_call_that_reads(tmp_path: Path, right: dict[str, bytes]) -> None:
    """What cannot be read is never missing, and never touched."""
    live(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with refused_reads(errno.EIO, None, tmp_path) as refuse:
        assert read_result(run_path(tmp_path))[0].status == "finished"
    assert refuse.calls > 6
    for number in READ_ERRORS:
        for at in range(refuse.calls):
            with refused_reads(number, at, tmp_path):
                state, _ = read_result(run_path(tmp_path))
            assert state.status == "unreadable", (errno.errorcode[number], at, state)
            assert RUN in str(state.reason)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("one_thread")
def test_calls_that_read_a_whole_sweep(tmp_path: Path) -> None:
    sweep = whole_sweep(tmp_path / "s")
    calls = read_calls(sweep)
    assert calls > 30
    faults = []
    for at in range(0, calls, 3):
        faults += refused_read(sweep, READ_ERRORS[at % len(READ_ERRORS)], at)
    assert faults == []


def test_what_is_damaged_in_the_twin_is_noticed(tmp_path: Path, right: dict[str, bytes]) -> None:
    live(tmp_path)
    metrics = run_path(tmp_path) / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes().replace(b"4.0", b"5.0"))
    assert "other bytes" in str(wrong(tmp_path, right))


def test_a_lost_run_is_left_alone(tmp_path: Path) -> None:
    """An owner that was taken over writes nothing more: neither rows nor a result."""
    from initlab.results.run_folder import RunWriter
    from initlab.store.lock import LostRun

    path = run_path(tmp_path)
    slow = RunWriter.open(path, {}, {})
    assert slow is not None
    bury(tmp_path)
    quick = RunWriter.open(path, {}, {})
    assert quick is not None
    slow.metrics({"step": 0, "train_loss": 1.0})
    with pytest.raises(LostRun):
        slow.finish({"id": RUN, "diverged": False})
    slow.give_up()
    quick.metrics({"step": 0, "train_loss": 2.0})
    quick.finish({"id": RUN, "diverged": False})
    assert (path / "metrics.jsonl").read_bytes() == b'{"step":0,"train_loss":2.0}\n'
    assert isinstance(LostRun("x"), InitlabError)
    assert litter(tmp_path) == []
