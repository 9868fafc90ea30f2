"""A disk that loses its power: what was written, synced and named is logged, and replayed up to any moment.

What a power failure leaves is one of several things, and each is tried: names and contents that were synced alone;
all names, and contents that were synced alone; each folder as it was at some moment since it was last synced; all.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

Policy: TypeAlias = Literal["synced alone", "all names", "some names", "all"]
POLICIES: tuple[Policy, ...] = ("synced alone", "all names", "some names", "all")


@dataclass
class Operation:
    """One thing that was done below the folder: ``path`` and, of a link or rename, where to."""

    kind: str
    path: str
    to: str = ""
    content: bytes = b""


@contextmanager
def logged(root: Path) -> Iterator[list[Operation]]:
    """Log every operation below ``root``. Appending to the log of a run is left out: nobody reads it back."""
    log: list[Operation] = []
    names: dict[int, str] = {}

    def inside(path: Any) -> str | None:
        text = os.fspath(path)
        return os.path.relpath(text, root) if text.startswith(str(root)) else None

    real = {name: getattr(os, name) for name in ("open", "close", "write", "fsync", "link", "mkdir", "rmdir")}
    moves = {name: getattr(os, name) for name in ("rename", "replace", "unlink", "remove")}

    def opened(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        known = more.get("dir_fd") is None and inside(path)
        is_new = bool(known) and bool(flags & os.O_CREAT) and not os.path.lexists(path)
        descriptor: int = real["open"](path, flags, *rest, **more)
        if known:
            names[descriptor] = str(known)
            if is_new:
                log.append(Operation("create", str(known)))
        return descriptor

    def closed(descriptor: int) -> None:
        names.pop(descriptor, None)
        real["close"](descriptor)

    def written(descriptor: int, content: Any) -> int:
        count: int = real["write"](descriptor, content)
        if descriptor in names:
            log.append(Operation("write", names[descriptor], content=bytes(content)[:count]))
        return count

    def synced(descriptor: int) -> None:
        real["fsync"](descriptor)
        if descriptor in names:
            log.append(Operation("sync", names[descriptor]))

    def replaced(path: Path, content: bytes) -> int:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            return os.write(descriptor, content)
        finally:
            os.close(descriptor)

    def two(name: str, kind: str) -> Callable[..., None]:
        def call(source: Any, target: Any, **more: Any) -> None:
            {**real, **moves}[name](source, target, **more)
            if known := inside(source):
                log.append(Operation(kind, known, str(inside(target))))

        return call

    def one(name: str, kind: str) -> Callable[..., None]:
        def call(path: Any, *rest: Any, **more: Any) -> None:
            if more.get("dir_fd") is not None:  # how a tree is removed
                path = Path(f"/proc/self/fd/{more['dir_fd']}").readlink() / path
                more.pop("dir_fd")
            {**real, **moves}[name](path, *rest, **more)
            if known := inside(path):
                log.append(Operation(kind, known))

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name, function in {
            "open": opened,
            "close": closed,
            "write": written,
            "fsync": synced,
            "link": two("link", "link"),
            "rename": two("rename", "rename"),
            "replace": two("replace", "rename"),
            "mkdir": one("mkdir", "mkdir"),
            "rmdir": one("rmdir", "remove"),
            "unlink": one("unlink", "remove"),
            "remove": one("remove", "remove"),
        }.items():
            patch.setattr(os, name, function)
        patch.setattr(Path, "write_bytes", replaced)
        yield log


@dataclass
class _File:
    content: bytes = b""
    synced: bytes = b""


@dataclass
class _Folder:
    entries: dict[str, "_File | _Folder"] = field(default_factory=dict)
    synced: dict[str, "_File | _Folder"] = field(default_factory=dict)
    since: list[dict[str, "_File | _Folder"]] = field(default_factory=list)
    """Every state since it was last synced."""


def replay(log: list[Operation], to: Path, policy: Policy, dice: random.Random) -> None:
    """Write what the disk holds after these operations and a power failure into the folder ``to``."""
    root = _Folder()
    for operation in log:
        _apply(root, operation)
    _write(root, to, policy, dice)


def _apply(root: _Folder, operation: Operation) -> None:
    folder, name = _parent(root, operation.path)
    if operation.kind == "sync":
        node = _node(root, operation.path)
        if isinstance(node, _File):
            node.synced = node.content
        elif node is not None:
            node.synced, node.since = dict(node.entries), []
        return
    if operation.kind == "write":
        file = folder.entries[name]
        assert isinstance(file, _File)
        file.content += operation.content
        return
    changed = [folder]
    if operation.kind == "create":
        folder.entries[name] = _File()
    elif operation.kind == "mkdir":
        folder.entries[name] = _Folder()
    elif operation.kind == "remove":
        folder.entries.pop(name, None)
    else:
        target, new = _parent(root, operation.to)
        moved = folder.entries[name] if operation.kind == "link" else folder.entries.pop(name)
        target.entries[new] = moved
        changed.append(target)
    for one in changed:
        one.since.append(dict(one.entries))


def _node(root: _Folder, path: str) -> "_File | _Folder | None":
    if path == ".":
        return root
    folder, name = _parent(root, path)
    return folder.entries.get(name)


def _parent(root: _Folder, path: str) -> tuple[_Folder, str]:
    *above, name = Path(path).parts or (".",)
    folder = root
    for part in above:
        below = folder.entries[part]
        assert isinstance(below, _Folder)
        folder = below
    return folder, name


def _write(folder: _Folder, to: Path, policy: Policy, dice: random.Random) -> None:
    to.mkdir(parents=True, exist_ok=True)
    entries = folder.entries
    if policy == "synced alone":
        entries = folder.synced
    elif policy == "some names":
        entries = dice.choice([folder.synced, *folder.since])
    for name, node in entries.items():
        if isinstance(node, _Folder):
            _write(node, to / name, policy, dice)
        else:
            whole = policy == "all" or (policy == "some names" and dice.random() < 0.5)
            (to / name).write_bytes(node.content if whole else node.synced)
