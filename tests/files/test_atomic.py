"""A file is replaced as a whole or not at all, whatever happens in between."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from initlab.files.atomic import replacing, write_bytes, write_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file.txt"
    file.write_text("old")
    return file


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


@pytest.mark.parametrize("durable", [True, False])
def test_content_is_written_as_it_is(path: Path, durable: bool) -> None:
    write_text(path, "ü\r\n\n", durable=durable)
    assert path.read_bytes() == b"\xc3\xbc\r\n\n"
    write_bytes(path, b"\x00\xff", durable=durable)
    assert path.read_bytes() == b"\x00\xff"
    write_bytes(path.with_name("new"), b"", durable=durable)
    assert names(path.parent) == ["file.txt", "new"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["block", "fsync", "replace"])
def test_a_failure_before_the_rename_leaves_the_old_file_alone(
    where: str, error: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    if where != "block":
        monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[where], fail)

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the ne")
            if where == "block":
                fail()

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert names(path.parent) == ["file.txt"]


@pytest.mark.parametrize("there", [True, False])
def test_a_process_that_is_killed_before_the_rename_leaves_the_old_file_and_nothing_that_is_seen(
    there: bool, path: Path
) -> None:
    if not there:
        path.unlink()
    code = "import os, sys\nfrom pathlib import Path\nfrom initlab.files.atomic import replacing\n"
    code += "with replacing(Path(sys.argv[1])) as temporary:\n    temporary.write_text('half')\n    os._exit(7)"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 7
    assert [item.read_text() for item in path.parent.glob("[!.]*")] == ["old"] * there
    assert all(name.startswith(".file.txt.") for name in names(path.parent) if name != "file.txt")
    write_text(path, "new")
    assert path.read_text() == "new", "what was left is in nobody's way"


def test_writing_in_place_would_be_seen(path: Path) -> None:
    """The negative twin: a writer that dies in place leaves a part."""
    code = "import os, sys\nfile = open(sys.argv[1], 'w')\nfile.write('half')\nfile.flush()\nos._exit(7)"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 7
    assert path.read_text() == "half"


def test_content_reaches_the_disk_before_its_name_and_the_name_before_the_return(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flush(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        events.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    write_text(path, "new")
    assert events == ["file", "rename", "folder"]
    events.clear()
    write_text(path, "newer", durable=False)
    assert events == ["rename"]


def test_a_system_that_flushes_no_folders_is_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ = os.open

    def files_alone(name: Path, flags: int, mode: int = 0o777) -> int:
        if name == path.parent:
            raise PermissionError(13, "as on Windows")
        return open_(name, flags, mode)

    monkeypatch.setattr(os, "open", files_alone)
    write_text(path, "new")
    assert path.read_text() == "new"


def test_the_file_is_as_readable_as_any_other(path: Path) -> None:
    write_text(path.with_name("new"), "")
    assert path.with_name("new").stat().st_mode == path.stat().st_mode


def test_writers_at_once_and_a_reader_between_them(path: Path) -> None:
    contents = [letter * 50_000 for letter in "abcd"]
    path.write_text(contents[0])

    def write(content: str) -> None:
        for _ in range(50):
            write_text(path, content, durable=False)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    seen = {path.read_text()}
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_text())
    assert seen <= set(contents)
    assert names(path.parent) == ["file.txt"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "absent" / "file", "")
