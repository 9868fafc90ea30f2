"""Whatever is killed, at whatever moment: the same command finishes the sweep, with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import stored_bytes

# A background job of a shell inherits an ignored Ctrl-C; these sweeps are to feel it wherever the tests run.
FEELS_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
SWEEP = [
    *(sys.executable, "-c", f"{FEELS_INTERRUPTS}; from initlab.cli.main import run; run()", "sweep"),
    *("--init", "gpt2,depth-scaled", "--seeds", "2", "--activation", "gelu,relu", "--n-layer", "1", "--n-head", "2"),
    *("--n-embd", "16", "--block-size", "16", "--batch-size", "2", "--steps", "1500", "--eval-batches", "1"),
]
"""So many steps that none of them is over before the test has seen it begin, on a busy machine too."""

PATIENCE = 240.0
"""Seconds that a busy machine is given; nothing here waits for them where all is well."""


def _sweep(folder: Path, *more: str) -> subprocess.Popen[str]:
    env = {**os.environ, "CI": "1"}
    return subprocess.Popen(
        [*SWEEP, "-o", str(folder), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )


def _finish(folder: Path, *more: str) -> str:
    process = _sweep(folder, *more)
    output, _ = process.communicate(timeout=PATIENCE * 2)
    assert process.returncode == 0, output
    return output


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def _workers(parent: int) -> list[int]:
    """Return the pids of a process's children that are initlab workers."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "launchers.worker" in line]


def _started(folder: Path) -> int:
    return len(list(folder.glob("runs/*/metrics.jsonl")))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crash") / "straight"
    _finish(folder)
    return folder


def test_kill_9_of_a_worker_and_then_of_the_parent(uninterrupted: Path, tmp_path: Path) -> None:
    process = _sweep(tmp_path)
    _wait_until(lambda: _started(tmp_path) >= 1)
    first = _workers(process.pid)
    os.kill(first[0], signal.SIGKILL)
    _wait_until(lambda: set(_workers(process.pid)) - set(first))  # it was replaced
    orphans = _workers(process.pid)
    process.kill()
    process.communicate()
    _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
    assert len(list(tmp_path.glob("runs/*/summary.json"))) < 8, "killed too late to show anything"
    _finish(tmp_path, "--jobs", "1")
    assert stored_bytes(tmp_path) == stored_bytes(uninterrupted)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_marks_what_was_in_flight_and_names_the_way_back(
    number: signal.Signals, code: int, uninterrupted: Path, tmp_path: Path
) -> None:
    process = _sweep(tmp_path)
    _wait_until(lambda: _started(tmp_path) >= 1)
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, output
    assert "interrupted" in output

    assert str(tmp_path) in output
    assert "Traceback" not in output
    _finish(tmp_path)
    assert stored_bytes(tmp_path) == stored_bytes(uninterrupted)


def test_a_worker_that_dies_twice_fails_its_runs_with_the_reason(tmp_path: Path) -> None:
    process = _sweep(tmp_path, "--jobs", "1", "--seeds", "1", "--activation", "gelu", "--init", "gpt2")
    _wait_until(lambda: _started(tmp_path) >= 1)
    (first,) = _workers(process.pid)
    os.kill(first, signal.SIGKILL)
    _wait_until(lambda: set(_workers(process.pid)) - {first})
    _wait_until(
        lambda: any(
            str(pid) in lock.read_text() for lock in tmp_path.glob("runs/*/.lock") for pid in _workers(process.pid)
        )
    )
    (second,) = _workers(process.pid)
    os.kill(second, signal.SIGKILL)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, output
    assert "SIGKILL, twice" in output
