"""A document is absent, or what was written, or named."""

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.files.below import folder_below
from initlab.store.stored import (
    Check,
    Damaged,
    Unreadable,
    has_checksum,
    raise_for,
    read_document,
    write_document,
)


def read(path: Path, check: Check | None = None, *, checked: bool = False) -> dict[str, Any] | None:
    with folder_below(path.parent) as folder:
        return read_document(folder, path.name, check, checked=checked)


def test_what_is_written_is_read_and_its_checksum_is_that_of_the_text_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = write_document(path, {"x": 1.5, "name": "ü", "sha256": None})
    assert path.read_bytes() == content
    assert has_checksum(content)
    before, _, after = content.rpartition(b',\n "sha256": "')
    assert after == hashlib.sha256(before).hexdigest().encode() + b'"\n}\n'
    assert json.loads(content)["schema_version"] == 1
    assert read(path) == {"schema_version": 1, "x": 1.5, "name": "ü"}


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json") is None
    assert read(tmp_path / "none" / "a.json") is None


def test_every_byte_that_is_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = write_document(path, {"x": 15})
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(InitlabError, match=r"a\.json"):
            read(path, checked=True)
    path.write_bytes(content)
    assert read(path, checked=True) is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"{", "not JSON"),
        (b"\x00" * 50, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"x": NaN}', "NaN is no number of JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"schema_version": "1"}', "schema_version is '1'"),
        (b'{"schema_version": true}', "schema_version is True"),
    ],
)
def test_what_is_no_document_is_damaged(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(Damaged, match=said) as damaged:
        read(tmp_path / "a.json")
    assert str(tmp_path / "a.json") in str(damaged.value)
    assert len(str(damaged.value)) < 400 + len(str(tmp_path))


def test_an_earlier_document_has_no_checksum_and_may_have_to_have_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"schema_version": 1, "x": 1}')
    assert read(path) == {"schema_version": 1, "x": 1}
    with pytest.raises(Damaged, match="its checksum is gone"):
        read(path, checked=True)


def test_a_newer_version_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"schema_version": 99}')
    with pytest.raises(InitlabError, match="upgrade initlab") as newer:
        read(tmp_path / "a.json")
    assert not isinstance(newer.value, Damaged)


def test_what_a_check_raises_is_damage_and_says_what(tmp_path: Path) -> None:
    write_document(tmp_path / "a.json", {"x": 1})

    def missing(document: dict[str, Any]) -> None:
        document["y"]

    with pytest.raises(Damaged, match="'y' is missing"):
        read(tmp_path / "a.json", missing)


def test_a_disk_that_refuses_and_a_wrong_kind_of_file_are_two_things() -> None:
    for number in (errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE):
        with pytest.raises(Unreadable, match=os.strerror(number)):
            raise_for(OSError(number, os.strerror(number)), Path("a"))
    for number in (errno.ELOOP, errno.EISDIR, errno.ENOTDIR):
        with pytest.raises(Damaged, match="no plain file"):
            raise_for(OSError(number, os.strerror(number)), Path("a"))
