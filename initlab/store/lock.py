"""Who may write a run: one owner at a time, by a file that names it, also on network file systems.

A lock file appears with its content, by ``link``, which fails where there is one. It changes hands only while a claim
on the token it holds is held: a lock file itself, named by that token, so that two takers cannot both win and a taker
that dies leaves nothing that its successor could not take over in the same way. A token never comes back; whoever
finds another than it has seen, once it holds the claim, is too late.

A lock is free where there is none, where it is nothing that was written here, and where its owner is dead. An owner
elsewhere (another machine, boot or container) cannot be looked up: see ``heartbeat``.
"""

import errno
import hashlib
import json
import os
import secrets
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.store.owner import Owner, Standing

HEARTBEAT_SECONDS = 5.0
MOST_CLAIMS = 8
"""Dead takers in a row, each of whom died holding a claim on the one before."""

MOST_TRIES = 100
SETTLING_SECONDS = 0.05

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class LostRun(InitlabError):
    """Another process owns the run now: whoever had it before stops and writes nothing more."""


@dataclass(frozen=True)
class Holder:
    """What a lock file holds; ``owner`` is None where it is nothing that was written here."""

    token: str
    owner: Owner | None

    @property
    def standing(self) -> Standing:
        return "dead" if self.owner is None else self.owner.standing()

    @property
    def may_live(self) -> bool:
        return self.standing != "dead"


@dataclass(frozen=True)
class Lock:
    """A lock that this process holds, until it ``release``s it or another one takes it over."""

    path: Path
    token: str
    _beats: Iterator[int] = field(default_factory=lambda: count(int(time.time())), repr=False, compare=False)

    def is_ours(self) -> bool:
        """Whether the file still says so."""
        found = holder(self.path)
        return found is not None and found.token == self.token

    def check(self) -> None:
        """Raise LostRun where another process has taken the run over."""
        if not self.is_ours():
            raise LostRun(f"{self.path.parent.name} was taken over by another process")

    def beat(self) -> None:
        """Say that the owner lives: a counter, kept as the file's time, which needs no room on a full disk.

        Whoever watches waits for it to change, so that no clock matters. A lock of another's is left alone.
        """
        if self.is_ours():
            beat = next(self._beats) * 10**9
            with suppress(FileNotFoundError):
                os.utime(self.path, ns=(beat, beat), follow_symlinks=False)

    def release(self) -> None:
        """Give it back; where another process has taken it over, or is about to, it stays as it is."""
        try:
            claim = acquire(_claim(self.path, self.token))
        except FileNotFoundError:
            return  # the whole folder is gone
        except OSError:  # a full disk has no room for a claim; a living owner's lock is hardly being taken over
            claim = self
        if claim is None:
            return
        if self.is_ours():
            self.path.unlink(missing_ok=True)
        if claim is not self:
            claim.path.unlink(missing_ok=True)


def acquire(path: Path, silent: Collection[str] = (), depth: int = 0) -> Lock | None:
    """Take the lock and return it, or None while a living process, or one elsewhere, holds it.

    ``silent`` are tokens of owners elsewhere whose hearts have stopped. Raises OSError where the folder cannot be
    written to or read.
    """
    for _ in range(MOST_TRIES):
        found = holder(path)
        if found is None:
            if (lock := _create(path)) is not None:
                return lock
            continue  # taken, and perhaps given back, a moment ago
        if found.may_live and not (found.standing == "elsewhere" and found.token in silent):
            return None
        return _replace(path, found, depth)
    return None


def holder(path: Path) -> Holder | None:
    """Return what a lock file holds, None where there is none; raises OSError where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return Holder("irregular", None)
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Holder("irregular", None)
        return _parsed(os.read(descriptor, 4096))
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process that lives, or might live elsewhere, holds the lock."""
    found = holder(path)
    return found is not None and found.may_live


def clear_claims(path: Path) -> None:
    """Remove what takers that died have left beside a lock."""
    current = holder(path)
    for old in path.parent.glob(f"{path.name}.*"):
        found = holder(old)
        # A claim on the present token is the protocol's business; one on an earlier token matters to nobody.
        if found is not None and not found.may_live and not (current and f".{current.token}" in old.name):
            with suppress(OSError):
                old.unlink()


def _parsed(content: bytes) -> Holder:
    try:
        document: Any = json.loads(content)
        token, owner = document["token"], Owner.from_json(document)
    except (ValueError, KeyError, TypeError, RecursionError):
        token, owner = None, None
    if not (isinstance(token, str) and token.isalnum() and len(token) <= 64):
        return Holder(hashlib.sha256(content).hexdigest()[:16], None)
    return Holder(token, owner)


def _create(path: Path) -> Lock | None:
    """Make the lock file with its content, both at once; None where there is one."""
    token = secrets.token_hex(8)
    temporary = path.with_name(f"{path.name}.{token}.new")
    try:
        _write_record(temporary, token)
        os.link(temporary, path)
    except FileExistsError:
        return None
    except FileNotFoundError:
        if path.parent.is_dir():
            return None  # somebody cleared the temporary file: the caller tries again
        raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return _create_without_links(path, token)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return Lock(path, token)


def _create_without_links(path: Path, token: str) -> Lock | None:
    """Make the lock file where the file system knows no hard links: it is empty for a moment, which looks free."""
    try:
        _write_record(path, token)
    except FileExistsError:
        return None
    time.sleep(SETTLING_SECONDS)  # whoever took the empty file for a free one has taken it by now
    lock = Lock(path, token)
    return lock if lock.is_ours() else None


def _write_record(path: Path, token: str) -> None:
    record = json.dumps({"token": token, **Owner.here().to_json()}).encode()
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        if os.write(descriptor, record) < len(record):  # a lock that is cut would look free
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def _claim(path: Path, token: str) -> Path:
    base = path.name if len(path.name) < 100 else hashlib.sha256(path.name.encode()).hexdigest()[:16]
    return path.with_name(f"{base}.{token}")


def _replace(path: Path, seen: Holder, depth: int) -> Lock | None:
    """Put this process in the place of a dead owner, unless another one does or has."""
    if depth >= MOST_CLAIMS:
        raise InitlabError(f"{path} cannot be taken over: remove {path.name} and {path.name}.* if nobody trains")
    claim = acquire(_claim(path, seen.token), depth=depth + 1)
    if claim is None:
        return None
    token = secrets.token_hex(8)
    temporary = path.with_name(f"{path.name}.{token}.new")
    try:
        if holder(path) != seen:
            return None
        if seen.token == "irregular":
            path.rename(path.with_name(f"irregular-{token}"))  # for the run's owner to put into quarantine
        _write_record(temporary, token)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()
        with suppress(OSError):
            claim.path.unlink()
    return Lock(path, token)
