"""Tiny Shakespeare, nanoGPT's first corpus: downloaded once, kept in the user's cache, known by its checksum.

The checksum is verified on every reading: a damaged cache file is downloaded anew, a changed download refused.
"""

import hashlib
import os
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPException
from pathlib import Path
from typing import IO, TypeAlias

from initlab.errors import InitlabError
from initlab.files.atomic import write_bytes
from initlab.files.cache import cache_folder
from initlab.files.limits import CORPUS_BYTES
from initlab.files.untrusted import read_untrusted

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TIMEOUT_SECONDS = 20
LARGEST_BYTES = 2**24
"""Read of an answer: the text has 1.1 MB, and what is longer is not it."""

Opener: TypeAlias = Callable[..., AbstractContextManager[IO[bytes]]]


def cache_path() -> Path:
    """Return where the text is kept."""
    return cache_folder() / "tinyshakespeare.txt"


def read_shakespeare(*, sha256: str = SHA256, opener: Opener = urllib.request.urlopen) -> bytes:
    """Return the text, from the cache or else from the network.

    Raises InitlabError, with the ways out, where there is neither or where INITLAB_OFFLINE forbids the network.
    """
    path = cache_path()
    cached = _cached(path)
    if cached is not None and hashlib.sha256(cached).hexdigest() == sha256:
        return cached
    content = _download(path, sha256, opener)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content, durable=False)  # whatever is damaged there is downloaded anew
    except OSError as error:
        raise InitlabError(f"cannot keep tiny Shakespeare in {path}: {error}; set XDG_CACHE_HOME") from error
    return content


def _cached(path: Path) -> bytes | None:
    """Return what is kept, None where nothing is, or what is no plain file in the cache."""
    try:
        return read_untrusted(path, "text", CORPUS_BYTES, below=path.parent)
    except (OSError, InitlabError):
        return None


def _download(path: Path, sha256: str, opener: Opener) -> bytes:
    if os.environ.get("INITLAB_OFFLINE", "0") not in ("", "0"):
        raise _unavailable("INITLAB_OFFLINE is set", path)
    try:
        with opener(URL, timeout=TIMEOUT_SECONDS) as response:
            content = response.read(LARGEST_BYTES)
    except (OSError, HTTPException) as error:  # URLError and time-outs are OSErrors
        raise _unavailable(f"downloading it failed ({error})", path) from error
    downloaded = hashlib.sha256(content).hexdigest()
    if downloaded != sha256:
        raise _unavailable(f"what was downloaded has sha256 {downloaded[:12]}... instead of {sha256[:12]}...", path)
    return content


def _unavailable(reason: str, path: Path) -> InitlabError:
    return InitlabError(
        f"tiny Shakespeare is not in the cache, and {reason}; either put {URL} at {path}, "
        "or pass a text of your own with --corpus FILE"
    )
