"""Power that fails at any moment of a sweep's life, from its plan to its last result."""

import random
import shutil
from pathlib import Path

from initlab.errors import InitlabError
from initlab.results.litter import clear_litter
from initlab.results.reading import load_results
from initlab.results.run_folder import RunDirectory
from tests.faults.damaging import repair
from tests.faults.disk import Operation, Policy, logged, replay
from tests.faults.lives import bury, litter, live, run_path, stored, wrong
from tests.tiny import stored_bytes


def life_after(log: list[Operation], to: Path, policy: Policy, seed: str, right: dict[str, bytes]) -> list[str]:
    """Let the power fail in a run's life; return what is wrong then, and after the same is tried again."""
    replay(log, to, policy, random.Random(seed))
    faults = []
    if run_path(to).is_dir():
        if found := wrong(to, right):
            faults.append(found)
        reading = RunDirectory(run_path(to)).reading(thorough=True)
        if reading.summary is not None and stored(to) != right:
            faults.append("a thorough reading took it for finished")
        if reading.state.status == "damaged":  # a sweep would put it into quarantine
            shutil.rmtree(run_path(to))
        else:
            bury(to)
    live(to)
    clear_litter(to)  # as the next sweep would, of a run that was finished before
    faults += [] if stored(to) == right else ["the next attempt ended otherwise"]
    return faults + ([f"left {left}"] if (left := litter(to)) else [])


def logged_sweep(folder: Path) -> tuple[list[Operation], dict[str, bytes]]:
    """Plan and train a sweep, and return all that was done to the disk, and its results."""
    folder.mkdir(parents=True)
    with logged(folder) as log:
        repair(folder)
    return log, stored_bytes(folder)


def sweep_after(log: list[Operation], to: Path, policy: Policy, seed: str, right: dict[str, bytes]) -> list[str]:
    """Let the power fail in a sweep's life; return what is wrong then, and after the same command."""
    replay(log, to, policy, random.Random(seed))
    for lock in to.glob("runs/*/.lock*"):
        lock.unlink()  # of another boot, whose silence would be waited for
    faults: list[str] = []
    finished: dict[str, bytes] = {}
    try:
        for run in load_results(to).runs:
            files = {name: content for name, content in right.items() if name.startswith(run.id)}
            finished |= files if run.done else {}
            if run.done and any((to / "runs" / name).read_bytes() != content for name, content in files.items()):
                faults.append(f"{run.id} counts as finished, with other bytes")
    except InitlabError:
        pass  # there is no plan yet, or none that reached the disk
    inodes = {to / "runs" / name: (to / "runs" / name).stat().st_ino for name in finished}
    repair(to)
    faults += [f"{path} was written again" for path, inode in inodes.items() if path.stat().st_ino != inode]
    return faults + ([] if stored_bytes(to) == right else ["the same command ended otherwise"])
