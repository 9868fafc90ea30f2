"""Whether the owner of a lock that nobody here can look up still lives: its heart is watched, not its clock.

Another machine's clock may be wrong and any clock may be set back, so no two times are compared. The observer sees
whether a lock's beat changes while it watches, and counts its own time. Time in which it did not watch, because it
was stopped or the machine slept, does not count: the owner may have slept too.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from initlab.store.lock import Holder, holder

STALE_AFTER_SECONDS = 60.0
LONGEST_GAP_SECONDS = 5.0
"""Seconds between two looks that count at most."""


class HeartbeatWatch:
    """Watches locks over this process's own clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[str, int]] = {}
        self._unchanged: dict[Path, float] = {}
        self._looked: float | None = None

    def look(self, locks: Iterable[Path]) -> dict[Path, Holder]:
        """Look at the locks once and return who holds those that are held."""
        now = self._clock()
        passed = 0.0 if self._looked is None else min(now - self._looked, LONGEST_GAP_SECONDS)
        self._looked = now
        held = {}
        for path in locks:
            found = holder(path)
            if found is None or not found.may_live:
                continue
            try:
                beat = (found.token, path.lstat().st_mtime_ns)
            except FileNotFoundError:
                continue
            self._unchanged[path] = self._unchanged[path] + passed if self._seen.get(path) == beat else 0.0
            self._seen[path] = beat
            held[path] = found
        return held

    def silent(self, path: Path, found: Holder) -> bool:
        """Whether an owner elsewhere has not been heard of for so long that its run may be taken over."""
        return found.standing == "elsewhere" and self._unchanged.get(path, 0.0) > STALE_AFTER_SECONDS


def waiting_lines(held: Iterable[Holder]) -> list[str]:
    """Return a line for each process that holds runs: how many, which, and how one that is stopped goes on."""
    runs = Counter(found.owner for found in held if found.owner is not None)
    return [
        f"waiting for {number} run{'s' * (number > 1)} of {owner.describe()}"
        for owner, number in sorted(runs.items(), key=lambda item: (item[0].host, item[0].pid))
    ]
