"""Whole sweeps that are killed, stopped, raced and starved, and then given once more."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.faults.sweeps import Sweep, ended, faults, fresh, in_training, started, wait_until
from tests.tiny import stored_bytes

SEEDS, STEPS = 4, 300
KILLS_IN_A_ROW = 5
WAYS = ("group", "parent", "worker", "stop and group", "term", "interrupt")
MOMENTS = ("any", "a run begins", "a run ends")
SILENCE = 400.0
"""Seconds in which an owner elsewhere that is dead is taken over, with room for a busy machine."""


def killed(folder: Path, right: dict[str, bytes], dice: random.Random) -> list[str]:
    """Kill a sweep, give the same command at once, kill that, and so on; let the last end, and say what is wrong."""
    fresh(folder)
    found: list[str] = []
    gone: list[Sweep] = []
    finished: dict[Path, int] = {}
    for _ in range(KILLS_IN_A_ROW):
        sweep = Sweep(folder, seeds=SEEDS, steps=STEPS, jobs=dice.randint(1, 3))
        _kill(sweep, folder, dice)
        gone.append(sweep)  # nobody reaps it before the end
        found += _done_twice(finished, folder)
    code, output = Sweep(folder, seeds=SEEDS, steps=STEPS, jobs=dice.randint(1, 3)).end()
    found += [f"exit {code}: {output[-300:]}"] if code else []
    found += _done_twice(finished, folder)
    for sweep in gone:
        _, output = sweep.end()
        found += ["a traceback"] if "Traceback" in output else []
    return [*found, *faults(folder, right)]


def _kill(sweep: Sweep, folder: Path, dice: random.Random) -> None:
    moment, way = dice.choice(MOMENTS), dice.choice(WAYS)
    before, begun = ended(folder), started(folder)
    if moment == "any":
        time.sleep(dice.uniform(0.0, 6.0))
    elif moment == "a run begins":
        wait_until(lambda: started(folder) > begun or in_training(folder) or sweep.process.poll() is not None)
    else:
        wait_until(lambda: ended(folder) > before or sweep.process.poll() is not None)
    time.sleep(dice.choice((0.0, dice.uniform(0.0, 0.3))))
    workers = sweep.workers()
    if way == "worker" and workers:
        os.kill(dice.choice(workers), signal.SIGKILL)
        time.sleep(dice.uniform(0.0, 3.0))
        sweep.signal_all(signal.SIGKILL)
    elif way == "parent":
        sweep.process.kill()
    elif way == "stop and group":
        sweep.signal_all(signal.SIGSTOP)
        time.sleep(dice.uniform(0.0, 0.5))
        sweep.signal_all(signal.SIGKILL)
    elif way in ("term", "interrupt") and sweep.process.poll() is None:
        os.kill(sweep.pid, signal.SIGTERM if way == "term" else signal.SIGINT)
    else:
        sweep.signal_all(signal.SIGKILL)


def _done_twice(finished: dict[Path, int], folder: Path) -> list[str]:
    """Note which runs are finished now; return those that were before, and are gone or are other files."""
    now = {path: path.stat().st_ino for path in folder.glob("runs/*/summary.json")}
    lost = [path.parent.name for path, inode in finished.items() if now.get(path) != inode]
    finished.update(now)
    return [f"{run} was finished, and is lost or done twice" for run in lost]


def raced(folder: Path, right: dict[str, bytes], dice: random.Random, sweeps: int) -> list[str]:
    """Give the same command several times at once; all have to end well."""
    fresh(folder)
    racers = []
    for _ in range(sweeps):
        racers.append(Sweep(folder, seeds=SEEDS, steps=STEPS, jobs=dice.randint(1, 2)))
        time.sleep(dice.uniform(0.0, 3.0))
    codes = [racer.end() for racer in racers]
    return [*(f"exit {code}: {output[-300:]}" for code, output in codes if code), *faults(folder, right)]


def stopped(folder: Path, right: dict[str, bytes], dice: random.Random, *, parent_dies: bool) -> list[str]:
    """Stop a sweep, make its beats minutes old, let a second one wait, and go on: both end, or the second alone."""
    fresh(folder)
    first = Sweep(folder, seeds=SEEDS, steps=STEPS, jobs=dice.randint(1, 2))
    wait_until(lambda: in_training(folder))
    time.sleep(dice.uniform(0.0, 0.5))
    workers = first.workers()
    first.signal_all(signal.SIGSTOP)
    for lock in folder.glob("runs/*/.lock"):
        os.utime(lock, (0, 0))
    if parent_dies:
        first.process.kill()
    second = Sweep(folder, seeds=SEEDS, steps=STEPS)
    found = []
    if in_training(folder):
        said = second.line("waiting for")
        found += [] if "kill -CONT" in said else [f"it said: {said}"]
    for pid in workers if parent_dies else [first.pid, *workers]:
        os.kill(pid, signal.SIGCONT)
    code, output = second.end()
    found += [f"exit {code}: {output[-300:]}"] if code else []
    code, output = first.end()
    found += [f"the first: exit {code}: {output[-300:]}"] if code and not parent_dies else []
    return [*found, *faults(folder, right)]


def elsewhere(folder: Path, right: dict[str, bytes]) -> list[str] | None:
    """Kill a sweep of another pid namespace, which cannot be looked up; None where this user may make none."""
    if subprocess.run(["unshare", "-p", "-f", "--mount-proc", "true"], capture_output=True).returncode:
        return None
    fresh(folder)
    first = Sweep(folder, seeds=SEEDS, steps=STEPS, before=["unshare", "-p", "-f", "--mount-proc", "--kill-child"])
    wait_until(lambda: in_training(folder))
    first.signal_all(signal.SIGKILL)
    first.end()
    begun = time.monotonic()
    second = Sweep(folder, seeds=SEEDS, steps=STEPS)
    found = [] if " on " in second.line("waiting for") else ["it was looked up"]
    code, output = second.end(SILENCE)
    found += [f"exit {code}: {output[-300:]}"] if code else []
    found += ["it did not wait"] if time.monotonic() - begun < 55 else []
    return [*found, *faults(folder, right)]


def starved(mount: Path, right: dict[str, bytes], size: int) -> list[str] | None:
    """Run the sweep on a disk of so many KB, then on a larger one; None where this user may mount none."""
    mount.mkdir(exist_ok=True)
    asked = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(mount)]
    if subprocess.run(asked, capture_output=True).returncode:
        return None
    try:
        code, output = Sweep(mount / "s", seeds=SEEDS, steps=STEPS).end()
        found = ["a traceback"] if "Traceback" in output else []
        found += ["nothing was said of the disk"] if code and "No space left" not in output else []
        finished: dict[Path, int] = {}
        _done_twice(finished, mount / "s")
        subprocess.run(["mount", "-o", "remount,size=100m", str(mount)], check=True)
        code, output = Sweep(mount / "s", seeds=SEEDS, steps=STEPS).end()
        found += [f"exit {code}: {output[-300:]}"] if code else []
        found += _done_twice(finished, mount / "s")
        return [*found, *faults(mount / "s", right)]
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def straight(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the sweep that nothing happens to."""
    code, output = Sweep(fresh(folder), seeds=SEEDS, steps=STEPS).end()
    assert code == 0, output
    right = stored_bytes(folder)
    shutil.rmtree(folder)
    return right
