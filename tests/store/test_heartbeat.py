"""Hearts are watched over the watcher's own clock; nobody's wall clock matters."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from initlab.store.heartbeat import LONGEST_GAP_SECONDS, STALE_AFTER_SECONDS, HeartbeatWatch, waiting_lines
from initlab.store.lock import Holder
from initlab.store.owner import Owner


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(path: Path, seconds: float, *, each: float, beats: bool = False) -> bool:
    """Watch a lock for so long, looking every ``each`` seconds; return whether its owner counts as silent."""
    clock = Clock()
    watch = HeartbeatWatch(clock)
    silent = False
    for number in range(int(seconds / each) + 1):
        clock.now = number * each
        if beats:
            os.utime(path, ns=(number * 10**9, number * 10**9))
        found = watch.look([path])[path]
        silent = watch.silent(path, found)
    return silent


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"token": "t", **replace(Owner.here(), host="another").to_json()}))
    return path


def test_a_heart_that_stands_still_has_stopped_in_the_end(elsewhere: Path) -> None:
    assert not watched(elsewhere, STALE_AFTER_SECONDS - 2, each=1.0)
    assert watched(elsewhere, STALE_AFTER_SECONDS + 2, each=1.0)


def test_a_heart_that_beats_has_not(elsewhere: Path) -> None:
    assert not watched(elsewhere, 10 * STALE_AFTER_SECONDS, each=1.0, beats=True)


@pytest.mark.parametrize("then", [0, 2**32])
def test_the_age_of_a_beat_says_nothing(elsewhere: Path, then: int) -> None:
    """A clock that was set back, or ahead, moves the beat's time by years."""
    os.utime(elsewhere, (then, then))
    assert not watched(elsewhere, 1.0, each=1.0)
    assert watched(elsewhere, STALE_AFTER_SECONDS + 2, each=1.0)


def test_time_in_which_nobody_watched_does_not_count(elsewhere: Path) -> None:
    """A laptop's lid was closed over both."""
    assert not watched(elsewhere, 2 * STALE_AFTER_SECONDS, each=2 * STALE_AFTER_SECONDS)
    assert LONGEST_GAP_SECONDS < STALE_AFTER_SECONDS / 2


def test_an_owner_on_this_host_is_never_silent(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"token": "t", **Owner.here().to_json()}))
    assert not watched(path, 10 * STALE_AFTER_SECONDS, each=1.0)


def test_what_is_free_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert HeartbeatWatch().look([tmp_path / "none", tmp_path / "empty"]) == {}


def test_who_is_waited_for_is_said_once_for_all_its_runs() -> None:
    here, there = Owner.here(), replace(Owner.here(), host="another")
    held = [Holder("a", here), Holder("b", there), Holder("c", here)]
    assert sorted(waiting_lines(held)) == sorted(
        [f"waiting for 2 runs of pid {here.pid}", f"waiting for 1 run of pid {here.pid} on another"]
    )
