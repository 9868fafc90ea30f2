"""Writing a checkpoint so that nobody ever sees a part of one, and the same checkpoint is always the same bytes."""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from initlab.errors import InitlabError
from initlab.files.atomic import replacing
from initlab.files.untrusted import check_output

if TYPE_CHECKING:
    from initlab.checkpoints.build import Checkpoint


def check_target(path: Path, *, force: bool) -> None:
    """Raise InitlabError for a path that nothing can or should be written to; makes its parent folders."""
    check_output(path, "a checkpoint")
    if path.is_dir():
        raise InitlabError(f"{path} is a folder: give the file a name, such as {path / 'init.safetensors'}")
    if path.exists() and not force:
        raise InitlabError(f"{path} exists: --force replaces it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InitlabError(f"cannot write {path}: no permission to write in {path.parent}")


def write_checkpoint(path: Path, checkpoint: "Checkpoint") -> str:
    """Write a safetensors file atomically and return its sha256. Raises InitlabError where that fails."""
    from safetensors.torch import save_file  # with torch, which checking a target does without

    try:
        with replacing(path) as temporary:
            mode = temporary.stat().st_mode  # the user's umask; the library makes files that nobody else may read
            save_file(checkpoint.contents.tensors, temporary, metadata=checkpoint.metadata)
            temporary.chmod(mode)
            _sort_header(temporary)
            with temporary.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
    except Exception as error:
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            raise _unwritable(path, error) from error
        raise
    return digest


def _sort_header(path: Path) -> None:
    """Sort the metadata, which the library writes in the order of a hash map that differs from process to process.

    A safetensors file is the header's length in 8 bytes, the header in JSON, padded with spaces, and the tensors.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > length:
            raise RuntimeError("the header of a safetensors file does not fit its place")
        file.seek(8)
        file.write(text.ljust(length))


def _unwritable(path: Path, error: Exception) -> InitlabError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InitlabError(f"cannot write {path}: {reason}")
