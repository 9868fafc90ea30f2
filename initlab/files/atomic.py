"""Files replaced as a whole: whoever reads one sees the old content or the new one, never a part of either."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield an empty temporary file beside ``path``, to be written by name, that takes its place at the end.

    Where the block raises, ``path`` stays as it was and nothing is left beside it; a process that is killed leaves a
    hidden file that nobody reads. With ``durable`` the content and its name have reached the disk on return, and no
    power failure loses either. Without, one may lose or empty the file: for what can be made again, and faster, since
    a disk takes milliseconds to confirm. Raises OSError for a folder that cannot be written to.
    """
    # Beside its target, since a rename is atomic within one file system alone; hidden, so that no pattern matches it;
    # with a name of its own, since two processes, or two threads of one, may write the same file at once.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        # The user's umask decides who may read the file; those of the tempfile module are for their owner alone.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        if durable:
            flush_to_disk(temporary)  # before the rename: a name must never stand for content that is not there
        temporary.replace(path)
    except BaseException:  # of a keyboard interrupt too
        with suppress(OSError):  # what went wrong first is what is to be said
            temporary.unlink()
        raise
    if durable:
        flush_folder(path.parent)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``content``, as ``replacing`` does."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace ``path`` by ``text`` in UTF-8, its line ends as they are."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


def flush_to_disk(path: Path) -> None:
    """Return once a file's content has reached the disk."""
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Return once the names in a folder have reached the disk: a rename is an entry of the folder.

    Raises OSError where the disk reports an error. Some network file systems flush no folders, and say so.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)
