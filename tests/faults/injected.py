"""Has the system refuse the n-th of the calls by which files are written, or read, below a folder."""

import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE)
READ_ERRORS = (errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE)
WRITES = ("write", "fsync", "link", "rename", "replace", "mkdir")

Told: TypeAlias = Callable[[str], None]
"""Told of a call before it is made; may raise in its place."""

_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Moments:
    """Counts calls, and has something done right before the one numbered ``at``."""

    def __init__(self, at: int | None, do: Callable[[], object]) -> None:
        self.at, self.do, self.calls = at, do, 0

    def __call__(self, what: str) -> None:
        call, self.calls = self.calls, self.calls + 1
        if call == self.at:
            self.do()


class Refusals:
    """Counts calls; refuses the one numbered ``at``, and all later ones where it is ``lasting``."""

    def __init__(self, number: int, at: int | None, lasting: bool) -> None:
        self.errno, self.at, self.lasting, self.calls = number, at, lasting, 0

    def __call__(self, what: str) -> None:
        call, self.calls = self.calls, self.calls + 1
        if self.at is not None and (call == self.at or (self.lasting and call > self.at)):
            raise OSError(self.errno, os.strerror(self.errno), what)


@contextmanager
def refused_writes(number: int, at: int | None, *, lasting: bool = False) -> Iterator[Refusals]:
    """Refuse a call that writes: open for writing, write, fsync, link, rename, mkdir. Removing needs no room."""
    refuse = Refusals(number, at, lasting)
    with pytest.MonkeyPatch.context() as patch:
        _patch_writes(patch, refuse, WRITES)
        patch.setattr(Path, "write_bytes", _half_written(refuse))
        yield refuse


@contextmanager
def before_a_write(at: int | None, do: Callable[[], object]) -> Iterator[Moments]:
    """Have something done before a call that changes what the disk holds; removing does, too."""
    moments = Moments(at, do)
    with pytest.MonkeyPatch.context() as patch:
        _patch_writes(patch, moments, (*WRITES, "unlink", "rmdir"))
        yield moments


def _patch_writes(patch: pytest.MonkeyPatch, told: Told, names: Sequence[str]) -> None:
    for name in names:
        patch.setattr(os, name, _refusing(told, name, getattr(os, name)))
    patch.setattr(os, "open", _refusing_open(told, os.open))
    patch.setattr(io, "open", _refusing_io(told, io.open))


@contextmanager
def refused_reads(number: int, at: int | None, below: Path, *, lasting: bool = False) -> Iterator[Refusals]:
    """Refuse a call that opens or looks at a file below a folder."""
    refuse = Refusals(number, at, lasting)
    real_open, real_stat, real_lstat = os.open, os.stat, os.lstat

    def opened(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if more.get("dir_fd") is not None or str(path).startswith(str(below)):
            refuse(str(path))
        return real_open(path, flags, *rest, **more)

    def looked(path: Any, *rest: Any, **more: Any) -> os.stat_result:
        if more.get("dir_fd") is not None:
            refuse(str(path))
        return real_stat(path, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr(os, "stat", looked)
        patch.setattr(os, "lstat", real_lstat)
        yield refuse


def _refusing(refuse: Told, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **more: Any) -> Any:
        refuse(name)
        return real(*arguments, **more)

    return call


def _refusing_open(refuse: Told, real: Callable[..., int]) -> Callable[..., int]:
    def call(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & _WRITING_FLAGS:
            refuse(f"open {path}")
        return real(path, flags, *rest, **more)

    return call


def _refusing_io(refuse: Told, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if mode not in ("r", "rb"):
            refuse(f"open {path}")
        return real(path, mode, *rest, **more)

    return call


def _half_written(refuse: Told) -> Callable[[Path, bytes], int]:
    """Return a ``write_bytes`` that has written half when the disk is full."""
    real = Path.write_bytes

    def call(path: Path, content: bytes) -> int:
        try:
            refuse(f"write {path}")
        except OSError:
            with open(path, "rb+") as file:  # noqa: PTH123 - Path.open is refused here
                file.write(content[: len(content) // 2])
            raise
        return real(path, content)

    return call
