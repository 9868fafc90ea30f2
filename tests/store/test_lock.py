"""A lock is held by a living process alone, and a dead one's may be taken over."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from initlab.store import lock


def _dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def _plant(path: Path, *, pid: int, host: str | None = None, age: float = 0.0) -> None:
    path.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid}))
    then = time.time() - age
    os.utime(path, (then, then))


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert lock.acquire(path)
    assert lock.is_held(path)
    assert not lock.acquire(path)
    lock.release(path)
    assert not lock.is_held(path)
    assert lock.acquire(path)


def test_a_dead_holders_lock_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    _plant(path, pid=_dead_pid())
    assert not lock.is_held(path)
    assert lock.acquire(path)
    assert json.loads(path.read_text())["pid"] == os.getpid()


def test_another_machines_lock_counts_while_its_heart_beats(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    _plant(path, pid=_dead_pid(), host="elsewhere", age=lock.STALE_AFTER_SECONDS / 2)
    assert not lock.acquire(path)
    _plant(path, pid=_dead_pid(), host="elsewhere", age=lock.STALE_AFTER_SECONDS * 2)
    assert lock.acquire(path)


def test_a_beat_renews_and_never_creates(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    lock.beat(path)
    assert not path.exists()
    _plant(path, pid=os.getpid(), age=lock.STALE_AFTER_SECONDS * 2)
    assert not lock.is_held(path)
    lock.beat(path)
    assert lock.is_held(path)


def test_a_lock_that_is_not_written_yet_counts_as_held(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.touch()
    assert lock.is_held(path)
