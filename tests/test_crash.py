"""Whatever is killed or stopped, at whatever moment: the same command finishes the sweep, with the same bytes.

Each start of a sweep costs seconds, so that one folder goes through all of it; ``make torture`` does the same at
hundreds of moments, and kills at every operation on a file.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sweeps import PATIENCE, Sweep, end_all, ended, faults, finished, in_training, started, wait_until
from tests.tiny import stored_bytes


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("crash") / "straight"
    finished(folder)
    return stored_bytes(folder)


def interrupted(folder: Path, number: signal.Signals) -> tuple[int, str]:
    """Let the sweep begin another run and send its parent a signal; return its exit code and words."""
    before = ended(folder)
    sweep = Sweep(folder)
    wait_until(lambda: in_training(folder))
    sweep.process.send_signal(number)
    code, output = sweep.end()
    assert ended(folder) < 3, f"stopped too late to show anything, {before} were finished before"
    return code, output


def test_kills_and_signals_cost_nothing_that_was_finished(right: dict[str, bytes], tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    wait_until(lambda: started(tmp_path) >= 1)
    (first,) = sweep.workers()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: set(sweep.workers()) - {first})  # it was replaced
    (orphan,) = set(sweep.workers()) - {first}
    sweep.process.kill()
    sweep.end()
    wait_until(lambda: not Path(f"/proc/{orphan}").exists())

    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        code, output = interrupted(tmp_path, number)
        assert code == expected, output
        assert "interrupted" in output
        assert str(tmp_path) in output, "the way back"
        assert "Traceback" not in output

    finished(tmp_path)
    assert faults(tmp_path, right) == []


def test_a_second_sweep_waits_for_a_stopped_one_and_says_how_to_continue_it(
    right: dict[str, bytes], tmp_path: Path
) -> None:
    """A laptop's lid: however old its beat, the owner lives."""
    first = Sweep(tmp_path)
    wait_until(lambda: in_training(tmp_path))
    first.signal_all(signal.SIGSTOP)
    (held,) = in_training(tmp_path)
    lock = held / ".lock"
    os.utime(lock, (0, 0))
    content = lock.read_bytes()

    code, output = Sweep(tmp_path, "--no-wait").end()  # which trains the others
    assert code == 3, output
    assert ended(tmp_path) == 2
    assert lock.read_bytes() == content

    second = Sweep(tmp_path)
    said = second.line("waiting for")
    (worker,) = first.workers()
    assert f"waiting for 1 run of pid {worker}, which is stopped" in said
    assert f"kill -CONT {worker} {first.pid}" in said
    assert not (held / "summary.json").exists()
    first.signal_all(signal.SIGCONT)
    for sweep in (first, second):
        code, output = sweep.end()
        assert code == 0, output
    assert faults(tmp_path, right) == []


def test_a_worker_that_dies_twice_fails_its_runs_with_the_reason(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, seeds=1, steps=3000)
    wait_until(lambda: started(tmp_path) >= 1)
    (first,) = sweep.workers()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: set(sweep.workers()) - {first})
    (second,) = set(sweep.workers()) - {first}
    wait_until(lambda: any(f'"pid": {second},' in lock.read_text() for lock in tmp_path.glob("runs/*/.lock")))
    os.kill(second, signal.SIGKILL)
    code, output = sweep.end(PATIENCE)
    assert code == 3, output
    assert "SIGKILL, twice" in output
