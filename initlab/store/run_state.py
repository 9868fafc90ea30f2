"""Where a run stands, in one word and a reason."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal[
    "finished", "diverged", "failed", "interrupted", "running", "missing", "damaged", "unreadable"
]
STATUSES: tuple[Status, ...] = ("finished", "diverged", "failed", "interrupted", "running", "missing")
"""Where a run may stand in a sweep that nothing happened to."""
UNSOUND: tuple[Status, ...] = ("damaged", "unreadable")
"""What is there is not what was stored; or it may be, and the disk does not give it."""
DONE: frozenset[Status] = frozenset({"finished", "diverged"})


@dataclass(frozen=True)
class RunState:
    """Where a run stands; ``reason`` says why it failed, diverged, stopped or is damaged, ``wall_seconds`` what it
    took. ``unchecked`` says that an earlier version stored the result, without checksums; ``notes`` name files beside
    it that are damaged, none of which is part of the result."""

    status: Status
    reason: str | None = None
    wall_seconds: float | None = None
    unchecked: bool = False
    notes: tuple[str, ...] = ()


RunResult: TypeAlias = tuple[RunState, dict[str, Any] | None]
"""Where a run stands, and its summary where it has one."""
