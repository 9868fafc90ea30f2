"""The one door through which files of other people are read: plain files of a bounded size, inside their folder.

A fifo would be waited for, a device read for ever, a link followed to wherever it points. All readers of specs,
gates, claims, corpora, checkpoints and caches ask here.
"""

import os
import stat
from pathlib import Path

from initlab.errors import InitlabError
from initlab.files.escaping import brief
from initlab.files.limits import Limit

LONGEST_NAME = 255
"""Bytes of a file's name on every file system in use (NAME_MAX)."""


LONGEST_PATH = 4000
"""Bytes of a path: PATH_MAX is 4096 on Linux, 1024 on macOS, which says so itself."""


def named_path(text: str | Path, what: str) -> Path:
    """Return a path as given, ``~`` expanded; raises InitlabError, naming ``what``, for text that is none."""
    written = str(text)
    if isinstance(text, str) and not text.strip():
        raise InitlabError(f"{what} {text!r}: the name is empty; name a file or a folder, '.' for the one you are in")
    if "\0" in written:
        raise InitlabError(f"{what} {brief(written)}: no path holds the character NUL")
    try:
        parts = [len(os.fsencode(part)) for part in Path(written).parts]
        total = len(os.fsencode(written))
    except UnicodeEncodeError as error:
        raise InitlabError(
            f"{what} {brief(written)}: this system's file names cannot hold it ({error.encoding})"
        ) from error
    if max(parts, default=0) > LONGEST_NAME or total > LONGEST_PATH:
        raise InitlabError(f"{what} {brief(written)}: the name is too long for a file")
    try:
        return Path(written).expanduser()
    except RuntimeError as error:
        raise InitlabError(f"{what} {brief(written)}: no such user, or one without a home") from error


def check_output(path: Path, what: str) -> None:
    """Raise InitlabError for an output that is there and is no plain file: a device, a fifo or a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InitlabError(f"{path} is {_kind(mode)}, and {what} is written to plain files only")


def link_out(path: Path, folder: Path) -> Path | None:
    """Return where a path below a folder really is, if that is outside it; None where it is inside.

    The folder itself may be a link: whoever named it meant what it points to.
    """
    inside, real = folder.resolve(), path.resolve()
    return None if real.is_relative_to(inside) else real


def check_inside(path: Path, folder: Path, what: str) -> None:
    """Raise InitlabError for a path below a folder that leads out of it by a link."""
    try:
        real = link_out(path, folder)
    except (OSError, RuntimeError) as error:  # a loop of links
        raise InitlabError(f"{path}: cannot be followed ({brief(str(error))})") from error
    if real is not None:
        raise InitlabError(f"{path} is a link to {real}, and no {what} is read from outside {folder}")


def read_untrusted(path: Path, what: str, limit: Limit, *, below: Path | None = None) -> bytes:
    """Return a file's bytes.

    Raises InitlabError, saying ``what`` was looked for, for anything but a plain file within ``limit``, and for one
    that a link leads to out of the folder ``below``. Raises OSError for one that is not there or cannot be read.
    """
    if below is not None:
        check_inside(path, below, what)
    with open(path, "rb", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "is a folder", str(path))
        if not stat.S_ISREG(status.st_mode):
            raise InitlabError(f"{path} is {_kind(status.st_mode)}, and a {what} is a plain file")
        limit.check(status.st_size, str(path))
        # What is there at once: a file of the kernel may have nothing to say yet, and read() says None.
        content = file.read(limit.allowed + 1 if status.st_size == 0 else status.st_size) or b""
    limit.check(len(content), str(path))  # what says it is empty may still hold something, as in /proc
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever is to write into a fifo."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _kind(mode: int) -> str:
    kinds = {
        "a fifo": stat.S_ISFIFO,
        "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
        "a socket": stat.S_ISSOCK,
        "a folder": stat.S_ISDIR,
    }
    return next((name for name, test in kinds.items() if test(mode)), "no plain file")
