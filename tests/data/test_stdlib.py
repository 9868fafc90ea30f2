"""The interpreter's own sources, or a clear word that there are none."""

import sysconfig
from pathlib import Path

import pytest

from initlab.data.stdlib import stdlib_pieces
from initlab.errors import InitlabError


def test_pieces_are_the_sorted_top_level_modules() -> None:
    pieces = stdlib_pieces()
    names = [piece.label for piece in pieces]
    assert names == sorted(names)
    assert {"argparse.py", "random.py"} <= set(names)
    folder = Path(sysconfig.get_paths()["stdlib"])
    assert dict(pieces)["random.py"] == (folder / "random.py").read_bytes()


def test_only_readable_top_level_python_files_count(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_bytes(b"b")
    (tmp_path / "a.py").write_bytes(b"a")
    (tmp_path / "notes.txt").write_bytes(b"no")
    (tmp_path / "folder.py").mkdir()  # not readable as a file
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").write_bytes(b"no")
    assert stdlib_pieces(tmp_path) == [("a.py", b"a"), ("b.py", b"b")]


def test_no_sources_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InitlabError, match=r"no readable standard-library sources in .*--corpus synthetic"):
            stdlib_pieces(folder)
