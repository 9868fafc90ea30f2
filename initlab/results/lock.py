"""Who is training a run right now.

A lock file is created exclusively and holds host and pid; its modification time is the heartbeat. A lock whose
process is gone, or whose heart has stopped, may be taken over.
"""

import json
import os
import socket
import time
from pathlib import Path

HEARTBEAT_SECONDS = 5.0
STALE_AFTER_SECONDS = 60.0


def acquire(path: Path) -> bool:
    """Take the lock; False when a living process holds it."""
    for _ in range(2):
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            if is_held(path):
                return False
            _clear(path)
            continue
        with os.fdopen(descriptor, "w") as file:
            json.dump({"host": socket.gethostname(), "pid": os.getpid()}, file)
        return True
    return False


def release(path: Path) -> None:
    path.unlink(missing_ok=True)


def beat(path: Path) -> None:
    """Say that the holder is alive; a lock that was taken away meanwhile stays away."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_text()
    except FileNotFoundError:
        return False
    if age > STALE_AFTER_SECONDS:
        return False
    try:
        holder = json.loads(text)
        here, pid = holder["host"] == socket.gethostname(), int(holder["pid"])
    except (ValueError, KeyError, TypeError):
        return True  # created a moment ago, not written yet
    return _alive(pid) if here else True


def _clear(path: Path) -> None:
    """Remove a stale lock; only one of several takers wins the rename."""
    mine = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.rename(mine)
    except FileNotFoundError:
        return
    mine.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
