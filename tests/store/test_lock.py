"""A run has one owner; a dead one's place is taken by one taker, a living one's by nobody."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.store import lock
from initlab.store.lock import Lock, LostRun, acquire, holder, is_held
from initlab.store.owner import Owner


def plant(path: Path, owner: Owner, token: str = "planted") -> None:
    path.write_text(json.dumps({"token": token, **owner.to_json()}))


def taken(path: Path) -> Lock:
    mine = acquire(path)
    assert mine is not None
    return mine


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def owner_of(process: "subprocess.Popen[bytes]") -> Owner:
    stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return replace(Owner.here(), pid=process.pid, started=stat[19])


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    mine = taken(path)
    assert is_held(path)
    assert acquire(path) is None
    mine.release()
    assert not is_held(path)
    taken(path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_names_its_owner(tmp_path: Path) -> None:
    mine = taken(tmp_path / ".lock")
    stored = json.loads((tmp_path / ".lock").read_text())
    assert stored["pid"] == os.getpid()
    assert stored["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert stored["namespace"] == str(Path("/proc/self/ns/pid").readlink())
    assert stored["token"] == mine.token != taken(tmp_path / "other").token


def test_a_stopped_owner_is_never_taken_over_however_old_its_beat(
    tmp_path: Path, child: "subprocess.Popen[bytes]"
) -> None:
    path = tmp_path / ".lock"
    plant(path, owner_of(child))
    child.send_signal(signal.SIGSTOP)
    os.utime(path, (0, 0))
    while (found := holder(path)) is not None and found.standing != "stopped":
        time.sleep(0.01)
    assert found is not None
    assert found.owner is not None
    assert f"kill -CONT {child.pid}" in found.owner.describe()
    assert acquire(path) is None
    assert acquire(path, silent=["planted"]) is None, "silence is for owners elsewhere"
    assert path.read_text() == json.dumps({"token": "planted", **found.owner.to_json()})


def test_a_zombie_is_dead(tmp_path: Path, child: "subprocess.Popen[bytes]") -> None:
    path = tmp_path / ".lock"
    plant(path, owner_of(child))
    assert is_held(path)
    child.kill()
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert not is_held(path)
    taken(path).release()


def test_a_pid_that_another_process_has_by_now_is_not_the_owner(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    plant(path, replace(Owner.here(), started="1"))
    assert not is_held(path)
    taken(path).release()


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"boot": "another"}, {"namespace": "pid:[1]"}])
def test_an_owner_elsewhere_counts_until_its_heart_has_stopped(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    path = tmp_path / ".lock"
    plant(path, Owner(**{**Owner.here().to_json(), "pid": 2**22 + 1, **elsewhere}))
    assert is_held(path)
    assert acquire(path) is None
    assert acquire(path, silent=["other"]) is None
    mine = acquire(path, silent=["planted"])
    assert mine is not None
    mine.release()


@pytest.mark.parametrize("text", ["", "\x00" * 99, "{", "[]", '{"token": 3}', '{"host":"here","pid":1}', "[" * 9999])
def test_what_is_no_lock_holds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".lock"
    path.write_text(text)
    assert not is_held(path)
    taken(path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_a_link_in_the_place_of_a_lock_is_moved_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a" / ".lock" / "deep").mkdir(parents=True)
    taken(tmp_path / "a" / ".lock")
    (tmp_path / "b").mkdir()
    (tmp_path / "outside").write_text("theirs")
    (tmp_path / "b" / ".lock").symlink_to(tmp_path / "outside")
    taken(tmp_path / "b" / ".lock")
    assert (tmp_path / "outside").read_text() == "theirs"
    assert len(list((tmp_path / "a").glob("irregular-*/deep"))) == 1


def test_an_owner_that_was_taken_over_knows(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    first = taken(path)
    first.check()
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "started": "1"}))
    second = taken(path)
    with pytest.raises(LostRun, match="taken over"):
        first.check()
    first.release()
    assert second.is_ours(), "nobody gives back what is another's"
    before = path.stat().st_mtime_ns
    first.beat()
    assert path.stat().st_mtime_ns == before
    second.beat()
    assert path.stat().st_mtime_ns != before


def test_a_taker_that_died_holding_its_claim_is_taken_over_too(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    plant(path, replace(Owner.here(), started="1"), "first")
    plant(tmp_path / ".lock.first", replace(Owner.here(), started="1"), "second")
    plant(tmp_path / ".lock.first.second", replace(Owner.here(), started="1"), "third")
    mine = taken(path)
    assert holder(path) is not None
    mine.release()
    lock.clear_claims(path)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_of_a_living_taker_keeps_others_off(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    plant(path, replace(Owner.here(), started="1"), "first")
    plant(tmp_path / ".lock.first", Owner.here(), "taker")
    assert acquire(path) is None


def test_without_end_is_no_way_to_die(tmp_path: Path) -> None:
    name = ".lock"
    for number in range(lock.MOST_CLAIMS + 2):
        plant(tmp_path / name, replace(Owner.here(), started="1"), f"t{number}")
        name = f"{name}.t{number}"
    with pytest.raises(InitlabError, match="cannot be taken over"):
        acquire(tmp_path / ".lock")


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / ".lock"
    mine = taken(path)
    assert acquire(path) is None
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_no_reason_to_keep_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = taken(tmp_path / ".lock")

    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    mine.release()
    assert not (tmp_path / ".lock").exists()
