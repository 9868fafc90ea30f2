"""What lies below a folder, opened by name: no link below it is followed, and nothing but plain files is read.

A folder that somebody else wrote then leads nowhere else. The folder itself may be a link: whoever names it on the
command line chose it.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from initlab.files.atomic import flush_folder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
WRONG_KIND = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.EMLINK})
"""Errors that say that something else lies where a plain file, or a folder on the way to it, should."""


class Folder:
    """A folder, held open while files in it are read by name; ``descriptor`` is None where there is none."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path, self.descriptor = path, descriptor

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises OSError: FileNotFoundError, or an errno of WRONG_KIND for what is no file."""

        def opener(_: str, flags: int) -> int:
            if self.descriptor is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path / name))
            # Not waiting for whoever would write into a fifo.
            descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise OSError(errno.EISDIR, "not a plain file", str(self.path / name))
            return descriptor

        with open(f"{self.path}/{name}", "rb", buffering=0, opener=opener) as file:
            return file.read()

    def size(self, name: str) -> int | None:
        """Return a plain file's bytes, None where there is none; raises OSError for what is no plain file."""
        if self.descriptor is None:
            return None
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EISDIR, "not a plain file", str(self.path / name))
        return found.st_size


@contextmanager
def folder_below(root: Path, *names: str) -> Iterator[Folder]:
    """Hold the folder ``root/names...`` open, following no link below ``root``.

    Raises OSError for a link or a file where a folder should be (an errno of WRONG_KIND) and for what the system
    refuses; a folder that is not there is an empty one.
    """
    descriptor: int | None = None
    try:
        try:
            descriptor = os.open(root, _FOLDER)
            for name in names:
                above, descriptor = descriptor, None
                descriptor = _step(above, name)
        except FileNotFoundError:
            pass
        yield Folder(root.joinpath(*names), descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _step(descriptor: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def make_folder(root: Path, *names: str) -> Path:
    """Make the folder ``root/names...`` where it is not there, and have its name reach the disk.

    Raises OSError for a link or a file on the way.
    """
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        flush_folder(root.parent)
    path = root
    for name in names:
        path = path / name
        try:
            path.mkdir()
        except FileExistsError:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "no folder but a link or a file", str(path)) from None
        else:
            flush_folder(path.parent)
    return path
