"""The door through which other people's files are read: plain, bounded, inside."""

import os
import socket
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.files.limits import Limit
from initlab.files.untrusted import check_inside, check_output, link_out, named_path, read_untrusted

SMALL = Limit("MAX_TEST_BYTES", 10, "bytes")


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    (tmp_path / "inner").symlink_to("a")
    assert read_untrusted(tmp_path / "a", "text", SMALL) == b"0123456789"
    assert read_untrusted(tmp_path / "inner", "text", SMALL, below=tmp_path) == b"0123456789"


def test_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        for name, kind in (("fifo", "a fifo"), ("/dev/zero", "a device"), ("/dev/null", "a device")):
            with pytest.raises((InitlabError, OSError), match=kind):
                read_untrusted(tmp_path / name, "spec", SMALL)
        with pytest.raises((InitlabError, OSError)):
            read_untrusted(tmp_path / "s", "spec", SMALL)


def test_more_than_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0" * 11)
    with pytest.raises(InitlabError, match=r"11 bytes are more than the 10 that are allowed; INITLAB_MAX_TEST_BYTES"):
        read_untrusted(tmp_path / "a", "text", SMALL)
    with pytest.raises(InitlabError, match="11 bytes are more than the 10"):
        read_untrusted(Path("/proc/self/status"), "text", SMALL)  # which says that it is empty


def test_a_link_that_leaves_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "out").symlink_to("../secret")
    (folder / "loop").symlink_to("loop")
    (tmp_path / "named").symlink_to("folder")
    assert link_out(folder / "out", folder) == tmp_path / "secret"
    assert link_out(tmp_path / "named" / "x", tmp_path / "named") is None  # the folder itself may be a link
    with pytest.raises(InitlabError, match=r"out is a link to .*secret, and no text is read from outside"):
        read_untrusted(folder / "out", "text", SMALL, below=folder)
    with pytest.raises((InitlabError, OSError)):
        read_untrusted(folder / "loop", "text", SMALL, below=folder)
    with pytest.raises(InitlabError, match="no text is read"):
        check_inside(folder / "out", folder, "text")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the name is empty"),
        ("  ", "the name is empty"),
        ("a\0b", "no path holds the character NUL"),
        ("x" * 300, "the name is too long"),
        ("é" * 200, "the name is too long"),
        ("d/" * 3000, "the name is too long"),
        ("~nobodyx/x", "no such user"),
    ],
)
def test_what_is_no_path(text: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        named_path(text, "spec")


def test_what_is_one() -> None:
    assert named_path("a/b", "spec") == Path("a/b")
    assert named_path("~/b", "spec") == Path.home() / "b"
    assert named_path(Path(), "spec") == Path()  # '.', said aloud


def test_devices_are_no_outputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path(os.devnull)):
        with pytest.raises(InitlabError, match="is written to plain files only"):
            check_output(path, "a checkpoint")
    (tmp_path / "file").touch()
    check_output(tmp_path / "file", "a checkpoint")
    check_output(tmp_path / "absent", "a checkpoint")
