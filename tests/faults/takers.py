"""Processes that take the same lock at the same moment, round after round: ``python -m tests.faults.takers 1000``."""

import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from pathlib import Path
from typing import TypeAlias

from initlab.store import lock
from initlab.store.owner import Owner

TAKERS = 3
PLANTED = ("dead", "empty", "garbled", "none")
"""What the takers find: the lock of a process whose pid has another one now, or what is none."""

Round: TypeAlias = "Synchronized[int]"
Wins: TypeAlias = "SynchronizedArray[int]"


def take(folder: str, rounds: int, begun: Round, won: Wins, released: Wins, number: int) -> None:
    """Take every round's lock, and give it back once all have tried."""
    for turn in range(1, rounds + 1):
        while begun.value < turn:
            time.sleep(0)
        mine = lock.acquire(Path(folder, f"{turn}.lock"))
        won[number] = turn if mine is not None else -turn
        while not all(abs(won[n]) >= turn for n in range(TAKERS)):
            time.sleep(0)
        if mine is not None:
            mine.release()
        released[number] = turn


def race(rounds: int, folder: Path) -> Counter[str]:
    """Return how many rounds had how many winners, and how many locks or claims were left behind."""
    context = multiprocessing.get_context("spawn")
    begun = context.Value("i", 0, lock=False)
    won, released = context.Array("i", TAKERS, lock=False), context.Array("i", TAKERS, lock=False)
    shared = (begun, won, released)
    takers = [context.Process(target=take, args=(str(folder), rounds, *shared, n)) for n in range(TAKERS)]
    for taker in takers:
        taker.start()
    dead = {**replace(Owner.here(), started="1").to_json()}
    found: Counter[str] = Counter()
    for turn in range(1, rounds + 1):
        planted = PLANTED[turn % len(PLANTED)]
        path = folder / f"{turn}.lock"
        if planted != "none":
            texts = {"dead": json.dumps({"token": f"t{turn}", **dead}), "empty": "", "garbled": "\x00" * 40}
            path.write_text(texts[planted])
        begun.value = turn
        while not all(released[n] >= turn for n in range(TAKERS)):
            ended = [n for n, taker in enumerate(takers) if not taker.is_alive()]
            if any(released[n] < turn for n in ended):
                raise RuntimeError(f"a taker died in round {turn}")
            time.sleep(0)
        found[f"{sum(won[n] > 0 for n in range(TAKERS))} winners"] += 1
        left = list(folder.iterdir())
        found["left behind"] += len(left)
        for old in left:
            old.unlink()
    for taker in takers:
        taker.join()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        started = time.monotonic()
        print(dict(race(int(sys.argv[1]), Path(temporary))), f"{time.monotonic() - started:.0f} s")
