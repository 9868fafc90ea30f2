"""Nothing below a folder leads out of it, and nothing but plain files is read."""

import errno
import os
from pathlib import Path

import pytest

from initlab.files.below import WRONG_KIND, folder_below, make_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("theirs")
    inside = tmp_path / "root" / "runs"
    inside.mkdir(parents=True)
    (inside / "plain").write_bytes(b"12345")
    return tmp_path / "root"


def test_a_plain_file_is_read_and_an_absent_one_is_not_there(root: Path) -> None:
    with folder_below(root, "runs") as folder:
        assert folder.read("plain") == b"12345"
        assert folder.size("plain") == 5
        assert folder.size("absent") is None
        with pytest.raises(FileNotFoundError):
            folder.read("absent")


def test_a_folder_that_is_not_there_is_an_empty_one(root: Path) -> None:
    with folder_below(root, "runs", "absent", "deeper") as folder:
        assert folder.descriptor is None
        assert folder.size("plain") is None
        with pytest.raises(FileNotFoundError):
            folder.read("plain")


def test_the_folder_itself_may_be_a_link_and_nothing_below_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    with folder_below(tmp_path / "link", "runs") as folder:
        assert folder.read("plain") == b"12345"
    (root / "away").symlink_to(tmp_path / "outside")
    assert (root / "away" / "secret").read_text() == "theirs", "or there is nothing to keep out"
    with pytest.raises(OSError, match=r"away") as refused, folder_below(root, "away"):
        pass
    assert refused.value.errno in WRONG_KIND


@pytest.mark.parametrize("what", ["link", "dangling", "folder", "fifo", "device"])
def test_what_is_no_plain_file_is_refused_without_waiting(what: str, root: Path, tmp_path: Path) -> None:
    path = root / "runs" / "odd"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    else:
        secret, nothing, device = tmp_path / "outside" / "secret", tmp_path / "none", Path("/dev/zero")
        targets = {"link": secret, "dangling": nothing, "device": device}
        path.symlink_to(targets[what])
    with folder_below(root, "runs") as folder:
        with pytest.raises(OSError, match=r".") as read:
            folder.read("odd")
        with pytest.raises(OSError, match=r".") as sized:
            folder.size("odd")
    assert {read.value.errno, sized.value.errno} <= WRONG_KIND


def test_no_descriptor_stays_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (root / "odd").mkdir()
    for _ in range(20):
        with folder_below(root, "runs") as folder:
            folder.read("plain")
        with folder_below(root) as folder, pytest.raises(IsADirectoryError):
            folder.read("odd")
        with folder_below(root, "runs", "absent"):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_is_made_where_it_is_not_and_nowhere_else(root: Path, tmp_path: Path) -> None:
    assert make_folder(root / "new", "runs", "a").is_dir()
    assert make_folder(root / "new", "runs", "a") == root / "new" / "runs" / "a"
    (root / "away").symlink_to(tmp_path / "outside")
    for name in ("away", "runs/plain"):
        with pytest.raises(NotADirectoryError) as refused:
            make_folder(root / Path(name).parent, Path(name).name, "a")
        assert refused.value.errno == errno.ENOTDIR
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["secret"]
