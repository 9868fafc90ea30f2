"""Download, cache, checksum and being offline; the network is a function passed in."""

import hashlib
import io
import urllib.request
from http.client import IncompleteRead
from pathlib import Path
from typing import IO

import pytest

from initlab.data.shakespeare import URL, cache_path, read_shakespeare
from initlab.errors import InitlabError

TEXT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"
SHA256 = hashlib.sha256(TEXT).hexdigest()


class Network:
    """Serves one answer and counts how often it is asked."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.asked = 0

    def __call__(self, url: str, *, timeout: float) -> IO[bytes]:
        assert url == URL
        assert 0 < timeout <= 20
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return io.BytesIO(self.answer)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("INITLAB_OFFLINE", raising=False)
    return tmp_path / "initlab" / "tinyshakespeare.txt"


def test_downloaded_once(cache: Path) -> None:
    network = Network(TEXT)
    assert read_shakespeare(sha256=SHA256, opener=network) == TEXT
    assert cache.read_bytes() == TEXT
    assert read_shakespeare(sha256=SHA256, opener=network) == TEXT
    assert network.asked == 1
    assert list(cache.parent.iterdir()) == [cache]  # no temporary file is left


def test_standard_opener_fits(tmp_path: Path) -> None:
    served = tmp_path / "served.txt"
    served.write_bytes(TEXT)

    def from_file(url: str, *, timeout: float) -> IO[bytes]:
        response: IO[bytes] = urllib.request.urlopen(served.as_uri(), timeout=timeout)
        return response

    assert read_shakespeare(sha256=SHA256, opener=from_file) == TEXT


def test_damaged_cache_is_downloaded_anew(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_bytes(TEXT[:-1])
    network = Network(TEXT)
    assert read_shakespeare(sha256=SHA256, opener=network) == TEXT
    assert network.asked == 1
    assert cache.read_bytes() == TEXT


def test_changed_download_is_refused_and_not_kept(cache: Path) -> None:
    with pytest.raises(InitlabError, match=r"sha256 .* instead of"):
        read_shakespeare(sha256=SHA256, opener=Network(TEXT + b"!"))
    assert not cache.exists()


@pytest.mark.parametrize(
    "failure", [OSError("no route to host"), TimeoutError("timed out"), IncompleteRead(b"First")], ids=repr
)
def test_failed_download_says_what_to_do(cache: Path, failure: Exception) -> None:
    with pytest.raises(InitlabError) as caught:
        read_shakespeare(sha256=SHA256, opener=Network(failure))
    message = str(caught.value)
    for part in (str(failure), str(cache), URL, "--corpus FILE"):
        assert part in message


def test_offline_asks_nobody_but_reads_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(TEXT)
    monkeypatch.setenv("INITLAB_OFFLINE", "1")
    with pytest.raises(InitlabError, match=r"INITLAB_OFFLINE is set.*--corpus FILE"):
        read_shakespeare(sha256=SHA256, opener=network)
    assert network.asked == 0
    cache.parent.mkdir()
    cache.write_bytes(TEXT)
    assert read_shakespeare(sha256=SHA256, opener=network) == TEXT
    monkeypatch.setenv("INITLAB_OFFLINE", "0")
    cache.unlink()
    read_shakespeare(sha256=SHA256, opener=network)
    assert network.asked == 1


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "initlab").write_bytes(b"a file where the folder should be")
    with pytest.raises(InitlabError, match=r"cannot keep .* set XDG_CACHE_HOME"):
        read_shakespeare(sha256=SHA256, opener=Network(TEXT))


def test_cache_is_in_the_home_folder_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    assert cache_path() == tmp_path / "me" / ".cache" / "initlab" / "tinyshakespeare.txt"
