"""Which process owns something, and whether it still lives: host, boot, pid namespace, pid and start time.

On its own host a process is looked up: one that is stopped lives, a zombie is dead, and a pid that was given to
another process does not count. Anywhere else nothing can be looked up; a container's pid namespace is elsewhere too.
"""

import os
import platform
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

Standing: TypeAlias = Literal["alive", "stopped", "dead", "elsewhere"]


@dataclass(frozen=True)
class Owner:
    """A process among all processes of all machines. ``parent`` is who started it, to be continued together."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: str
    parent: int = 0

    @classmethod
    def here(cls) -> "Owner":
        """Return this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _state_and_start(pid)[1], os.getppid())

    @classmethod
    def from_json(cls, document: Any) -> "Owner | None":
        """Return what was stored, None where it is nothing that this class has written."""
        names = cls.__dataclass_fields__
        if not isinstance(document, dict) or not set(names) <= set(document):
            return None
        values = {name: document[name] for name in names}
        numbers, texts = ("pid", "parent"), ("host", "boot", "namespace", "started")
        if not all(type(values[name]) is int and 0 <= values[name] < 2**31 for name in numbers):
            return None
        if not all(type(values[name]) is str for name in texts):
            return None
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def standing(self) -> Standing:
        """Return how the process is now, "elsewhere" where that cannot be told from here."""
        if (self.host, self.boot, self.namespace) != (socket.gethostname(), _boot(), _namespace()):
            return "elsewhere"
        state, started = _state_and_start(self.pid)
        if state in ("", "Z", "X", "x") or (started and self.started and started != self.started):
            return "dead"
        return "stopped" if state in ("T", "t") else "alive"

    def describe(self) -> str:
        """Return the process for people, and how to continue one that is stopped."""
        standing = self.standing()
        if standing == "elsewhere":
            return f"pid {self.pid} on {self.host}"
        if standing != "stopped":
            return f"pid {self.pid}"
        both = f"{self.pid} {self.parent}" if _state_and_start(self.parent)[0] in ("T", "t") else f"{self.pid}"
        return f"pid {self.pid}, which is stopped: continue it with `fg` where it was started, or `kill -CONT {both}`"


def _state_and_start(pid: int) -> tuple[str, str]:
    """Return a process's state as one letter, "" where there is none, and when it started, "" where unknown."""
    if sys.platform == "linux":
        try:
            # pid (name) state ppid ... with the start as field 22; the name may hold spaces and brackets.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            return fields[0].decode(), fields[19].decode()
        except (OSError, IndexError):
            return ("R" if _signals_reach(pid) else ""), ""
    return _asked_psutil(pid)


def _asked_psutil(pid: int) -> tuple[str, str]:
    import psutil  # where there is no /proc

    try:
        process = psutil.Process(pid)
        letters = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X", psutil.STATUS_STOPPED: "T"}
        return letters.get(process.status(), "R"), f"{process.create_time():.3f}"
    except psutil.NoSuchProcess:
        return "", ""
    except psutil.AccessDenied:
        return "R", ""


def _signals_reach(pid: int) -> bool:
    """Whether there is such a process, also one that /proc hides from this user."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@lru_cache(maxsize=1)
def _boot() -> str:
    """Return what tells one start of this machine from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        if platform.system() != "Darwin":
            return ""
    asked = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _namespace() -> str:
    """Return the namespace that this process's pids are of."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no file's path
    except OSError:
        return ""


def process_lives(pid: int) -> bool:
    """Whether a process of this machine and namespace has this pid, and is no zombie."""
    return _state_and_start(pid)[0] not in ("", "Z", "X", "x")
