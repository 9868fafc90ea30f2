"""Workers that are killed or stopped right before any one of the calls by which they change what the disk holds.

No network is trained: what a worker does to a sweep's folder is all that matters here, and takes milliseconds.
"""

import json
import os
import shutil
import signal
from pathlib import Path

from initlab.results.litter import clear_litter
from initlab.results.run_folder import owned
from tests.faults.injected import before_a_write
from tests.faults.lives import (
    RUN,
    forked,
    itself,
    litter,
    live,
    live_all,
    run_path,
    stored,
    wait_for_end,
    wait_for_stop,
)

RUNS = ("a1b2c3d4e5f6", "b1b2c3d4e5f6", "c1b2c3d4e5f6")
MINUTES_AGO = 600


def calls_of(sweep: Path, runs: tuple[str, ...] = RUNS) -> int:
    """Return how many calls change the disk where one worker trains these runs."""
    with before_a_write(None, lambda: None) as moments:
        live_all(sweep, runs)
    return moments.calls


def right_bytes(sweep: Path) -> dict[str, dict[str, bytes]]:
    """Train every run undisturbed and return its files."""
    live_all(sweep, RUNS)
    return {run: stored(sweep, run) for run in RUNS}


def killed(sweep: Path, at: int, workers: int, right: dict[str, dict[str, bytes]]) -> list[str]:
    """Kill the first of so many workers at a call; say what is wrong once the same is done again."""
    shutil.rmtree(sweep, ignore_errors=True)

    def first() -> None:
        with before_a_write(at, itself(signal.SIGKILL)):
            live_all(sweep, RUNS)

    turned = [RUNS[turn:] + RUNS[:turn] for turn in range(workers)]
    others = [forked(lambda runs=runs: live_all(sweep, runs)) for runs in turned[1:]]  # type: ignore[misc]
    pid = forked(first)
    wait_for_end(pid, reap=False)  # a zombie, as in a container whose first process reaps nobody
    for other in others:
        wait_for_end(other)
    done = {path: path.stat().st_ino for path in sweep.glob("runs/*/summary.json")}
    live_all(sweep, RUNS)
    clear_litter(sweep)
    os.waitpid(pid, 0)
    found = [f"{path.parent.name} was done twice" for path, inode in done.items() if path.stat().st_ino != inode]
    return [f"killed at call {at} of {workers} workers: {one}" for one in found + _wrong(sweep, right)]


def stopped(sweep: Path, at: int, right: dict[str, dict[str, bytes]], *, here: bool) -> list[str]:
    """Stop an owner for minutes at a call, while another process comes; then let it go on, and say what is wrong.

    An owner ``here`` keeps its run. One elsewhere, whose heart has stopped as far as anyone can tell, loses it.
    """
    shutil.rmtree(sweep, ignore_errors=True)

    def owner() -> None:
        with before_a_write(at, itself(signal.SIGSTOP)):
            live(sweep)

    pid = forked(owner)
    found = []
    if wait_for_stop(pid):
        lock = run_path(sweep) / ".lock"
        if held := lock.is_file():
            before = lock.stat().st_mtime - MINUTES_AGO
            os.utime(lock, (before, before))
        if here:
            trained = live(sweep)
            found += ["a living owner's run was taken"] if held and trained else []
        else:
            if held:
                token = _elsewhere(lock)
                with owned(run_path(sweep), {token}):
                    pass
            live(sweep)
        os.kill(pid, signal.SIGCONT)
    wait_for_end(pid)
    live(sweep)
    clear_litter(sweep)
    found += _wrong(sweep, {RUN: right[RUN]})
    return [f"stopped {'here' if here else 'elsewhere'} at call {at}: {one}" for one in found]


def _elsewhere(lock: Path) -> str:
    """Have a lock's owner be on a machine that nobody can look into."""
    document = json.loads(lock.read_text())
    descriptor = os.open(lock, os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, json.dumps({**document, "host": "another"}).encode())
    os.close(descriptor)
    return str(document["token"])


def _wrong(sweep: Path, right: dict[str, dict[str, bytes]]) -> list[str]:
    found = []
    for run, files in right.items():
        found += [f"{run} has other bytes"] if stored(sweep, run) != files else []
        found += [f"{run} holds {left}"] if (left := litter(sweep, run)) else []
        times = (run_path(sweep, run) / "log.txt").read_text().count(" finished")
        found += [f"{run} finished {times} times"] if times > 1 else []
    return found
