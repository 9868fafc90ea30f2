"""Everything that may happen to a sweep, at every moment or at many: ``python -m tests.faults.torture [PART ...]``.

``make torture`` runs all of it in an hour on two cores; ``ROUNDS=3`` has thrice the rounds of what is drawn by
chance, ``ROUNDS=0.1`` a tenth of everything, and ``SEED`` draws other ones. Each part prints what it tried and what
went wrong; any fault makes the exit code 1.
"""

import errno
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from tests.faults import disk, injected, lives, moments, powerless, refusing, storms, sweeps, takers
from tests.faults.damaging import CASES, COMMANDED, commanded, damaged, whole_sweep

ROUNDS = float(os.environ.get("ROUNDS", "1"))
SEED = os.environ.get("SEED", "14")
KILLS, RACES, STOPS = 200, 12, 8
TAKERS = 100_000
SIZES = (16, 60, 120, 200, 300, 600)
"""KB of the full disks: too small for the plan, for a run, for the report."""

Attempt = Callable[[Path], Iterable[str] | None]
"""One thing to try in a folder of its own: what went wrong, or None where this machine does not allow it."""


def _kill_points(folder: Path) -> Iterator[tuple[str, Attempt]]:
    right = moments.right_bytes(folder / "right")
    calls = moments.calls_of(folder / "counted")
    for workers in (1, 2, 3):
        for at in range(calls):
            yield f"{workers} {at}", lambda to, at=at, workers=workers: moments.killed(to, at, workers, right)  # type: ignore[misc]


def _stop_points(folder: Path) -> Iterator[tuple[str, Attempt]]:
    right = moments.right_bytes(folder / "right")
    calls = moments.calls_of(folder / "counted", moments.RUNS[:1])
    for here in (True, False):
        for at in range(calls):
            yield f"{here} {at}", lambda to, at=at, here=here: moments.stopped(to, at, right, here=here)  # type: ignore[misc]


def _kills(folder: Path) -> Iterator[tuple[str, Attempt]]:
    right = storms.straight(folder / "right")
    for number in range(round(ROUNDS * KILLS / storms.KILLS_IN_A_ROW)):
        dice = random.Random(f"{SEED} {number}")
        yield f"{number}", lambda to, dice=dice: storms.killed(to, right, dice)  # type: ignore[misc]


def _races(folder: Path) -> Iterator[tuple[str, Attempt]]:
    right = storms.straight(folder / "right")
    for number in range(round(ROUNDS * RACES)):
        dice = random.Random(f"{SEED} {number}")
        yield f"{number}", lambda to, dice=dice, n=2 + number % 2: storms.raced(to, right, dice, n)  # type: ignore[misc]


def _stops(folder: Path) -> Iterator[tuple[str, Attempt]]:
    right = storms.straight(folder / "right")
    yield "elsewhere", lambda to: storms.elsewhere(to, right)
    for number in range(round(ROUNDS * STOPS)):
        dice = random.Random(f"{SEED} {number}")
        yield (
            f"{number}",
            lambda to, dice=dice, dies=bool(number % 2): storms.stopped(to, right, dice, parent_dies=dies),  # type: ignore[misc]
        )


def _full_disks(folder: Path) -> Iterator[tuple[str, Attempt]]:
    right = storms.straight(folder / "right")
    for size in SIZES:
        yield f"{size} KB", lambda to, size=size: storms.starved(to, right, size)  # type: ignore[misc]


def _write_errors(folder: Path) -> Iterator[tuple[str, Attempt]]:
    assert lives.live(folder / "right")
    right = lives.stored(folder / "right")
    for lasting in (False, True):
        for at in range(refusing.write_calls(folder / f"counted {lasting}")):
            for number in injected.WRITE_ERRORS:
                yield (
                    f"{errno.errorcode[number]} {at} {lasting}",
                    lambda to, n=number, at=at, on=lasting: refusing.refused_write(to, n, at, on, right),  # type: ignore[misc]
                )


def _read_errors(folder: Path) -> Iterator[tuple[str, Attempt]]:
    sweep = whole_sweep(folder / "whole")
    for number in injected.READ_ERRORS:
        for at in range(refusing.read_calls(sweep)):
            yield (
                f"{errno.errorcode[number]} {at}",
                lambda to, n=number, at=at: refusing.refused_read(sweep, n, at),  # type: ignore[misc]
            )


def _power(folder: Path) -> Iterator[tuple[str, Attempt]]:
    log, right = powerless.logged_sweep(folder / "logged")
    for policy in disk.POLICIES:
        for moment in range(len(log) + 1):
            yield (
                f"{policy} {moment}",
                lambda to, p=policy, m=moment: powerless.sweep_after(log[:m], to, p, f"{SEED} {m}", right),  # type: ignore[misc]
            )


def _damage(folder: Path) -> Iterator[tuple[str, Attempt]]:
    whole = whole_sweep(folder / "whole")
    for file, kind in CASES:
        yield f"{file}: {kind}", lambda to, f=file, k=kind: damaged(whole, to / "a" / "s", f, k)  # type: ignore[misc]
    for file, kind in COMMANDED:
        yield f"commands, {file}: {kind}", lambda to, f=file, k=kind: commanded(whole, to / "a" / "s", f, k)  # type: ignore[misc]


def _takers(folder: Path) -> Iterator[tuple[str, Attempt]]:
    tenth = round(ROUNDS * TAKERS / 10)

    def race(to: Path) -> list[str]:
        to.mkdir()
        found = takers.race(tenth, to)
        return [] if dict(found) == {"1 winners": tenth, "left behind": 0} else [str(dict(found))]

    for number in range(10):
        yield f"{number + 1} of 10 times {tenth:,} rounds", race


DRAWN = ("takers", "kills", "races", "stops")
"""Parts whose rounds are drawn, as many as are asked for; of the others there are so many and no more."""

PARTS: dict[str, tuple[int, Callable[[Path], Iterator[tuple[str, Attempt]]]]] = {
    "kill-points": (1, _kill_points),
    "stop-points": (1, _stop_points),
    "write-errors": (1, _write_errors),
    "read-errors": (1, _read_errors),
    "power": (1, _power),
    "damage": (1, _damage),
    "takers": (1, _takers),
    "kills": (2, _kills),
    "races": (1, _races),
    "stops": (2, _stops),
    "full-disks": (2, _full_disks),
}
"""Each part, and how many of its attempts run at once: those of whole sweeps alone may, and wait for most of it."""


def run_part(name: str, within: Path) -> int:
    """Try all of a part, print its figures, and return how many faults there were."""
    together, attempts = PARTS[name]
    begun, tried, unable, faults = time.monotonic(), 0, 0, 0

    def attempt(numbered: tuple[int, tuple[str, Attempt]]) -> tuple[str, Iterable[str] | None]:
        number, (label, work) = numbered
        to = within / f"{number}"
        try:
            return label, work(to)
        except Exception as error:  # of the harness or of what it tortures: a fault either way
            return label, [f"{type(error).__name__}: {error}"]
        finally:
            if together == 1:
                sweeps.end_all()
            shutil.rmtree(to, ignore_errors=True)

    every = 1 if name in DRAWN else max(1, round(1 / ROUNDS))
    planned = list(islice(attempts(within), 0, None, every))  # some count calls, while nothing else makes any
    with ThreadPoolExecutor(together) as pool:
        for label, found in pool.map(attempt, enumerate(planned)):
            tried, unable = tried + (found is not None), unable + (found is None)
            for fault in found or ():
                faults += 1
                print(f"  {name}, {label}: {fault}", flush=True)
    skipped = f", {unable} not permitted here" if unable else ""
    print(f"{name:<13} {tried:6,} tried{skipped}, {faults} faults, {time.monotonic() - begun:.0f} s", flush=True)
    return faults


def main(names: list[str]) -> int:
    """Run the named parts, or all; returns the exit code."""
    if unknown := set(names) - set(PARTS):
        print(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    faults = 0
    for name in names or PARTS:
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            faults += run_part(name, Path(folder))
    print(f"{faults} faults in all")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
