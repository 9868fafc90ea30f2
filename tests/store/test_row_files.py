"""Rows are written in order, counted and summed, and read as they were written or not at all."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from initlab.store.row_files import (
    CONFIG,
    LAYERS,
    METRICS,
    FileRecord,
    RowWriter,
    is_number,
    records_in,
    rows_so_far,
    whole_rows,
)
from initlab.store.stored import Damaged

GOOD = b'{"step":0,"loss":1.5}\n{"step":2,"loss":null}\n'
PATH = Path("metrics.jsonl")


def test_a_writer_knows_what_it_wrote(tmp_path: Path) -> None:
    writer = RowWriter(tmp_path / "m")
    writer.add({"step": 0, "loss": 1.5})
    assert (tmp_path / "m").read_bytes() == b"", "nothing before a flush"
    writer.flush()
    writer.add({"step": 2, "loss": float("nan")})
    writer.flush()
    writer.sync()
    writer.close()
    writer.close()
    content = (tmp_path / "m").read_bytes()
    assert content == GOOD
    assert writer.record() == FileRecord(len(GOOD), hashlib.sha256(GOOD).hexdigest(), 2)


def test_no_two_writers_share_a_file(tmp_path: Path) -> None:
    RowWriter(tmp_path / "m").close()
    with pytest.raises(FileExistsError):
        RowWriter(tmp_path / "m")


def test_a_disk_that_takes_a_byte_at_a_time_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, bytes(content)[:1]))
    writer = RowWriter(tmp_path / "m")
    writer.add({"step": 0, "loss": 1.5})
    writer.add({"step": 2, "loss": None})
    writer.flush()
    writer.close()
    assert (tmp_path / "m").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is gone"),
        (b"", "0 bytes"),
        (GOOD[:-1], "bytes"),
        (GOOD.replace(b"\n", b" ", 1), "1 rows, 2 were stored"),
        (GOOD.replace(b"1.5", b"1.6"), "by its checksum"),
    ],
)
def test_a_record_names_what_disagrees(content: bytes | None, said: str) -> None:
    record = FileRecord(len(GOOD), hashlib.sha256(GOOD).hexdigest(), 2)
    record.check(GOOD, PATH)
    with pytest.raises(Damaged, match=f"metrics.jsonl .*{said}"):
        record.check_size(None, PATH) if content is None else record.check(content, PATH)


def test_a_summary_says_what_its_files_are_or_that_nobody_noted_it() -> None:
    one = FileRecord.of(b"abc")
    rows = FileRecord(3, one.sha256, 1)
    files = {METRICS: rows.to_json(), LAYERS: rows.to_json(), CONFIG: one.to_json()}
    assert records_in({"files": files}) == {METRICS: rows, LAYERS: rows, CONFIG: one}
    assert records_in({}) == {}


@pytest.mark.parametrize(
    "files",
    [None, [], {}, {METRICS: {}}, {name: {} for name in (METRICS, LAYERS, CONFIG)}]
    + [{name: {"bytes": size, "sha256": "0"} for name in (METRICS, LAYERS, CONFIG)} for size in ("3", True, None)],
)
def test_a_summary_that_says_something_else_is_none(files: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        records_in({"files": files})


def test_whole_files_are_read_to_the_last_row() -> None:
    rows = [{"step": 0, "loss": 1.5}, {"step": 2, "loss": None}]
    assert whole_rows(GOOD, PATH, by_checksum=True) == rows
    assert whole_rows(GOOD, PATH, by_checksum=False) == rows
    assert whole_rows(b"", PATH, by_checksum=True) == whole_rows(b"", PATH, by_checksum=False) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD[:-1], "its last line is cut"),
        (GOOD[:-3], "line 2: not JSON"),
        (GOOD + GOOD, "out of order"),
        (GOOD + b"[1]\n", "line 3: not a row"),
        (GOOD + b'{"loss":1}\n', "line 3: not a row"),
        (GOOD + b'{"step":3,"loss":"x"}\n', "line 3: not a row"),
        (GOOD + b'{"step":3,"loss":[[1]]}\n', "line 3: not a row"),
        (GOOD + b'{"step":3,"loss":' + b"9" * 30 + b"}\n", "line 3: not a row"),
        (GOOD + b"\x00\x00\n", "line 3: not JSON"),
    ],
)
def test_a_file_without_a_checksum_is_looked_at_row_by_row(content: bytes, said: str) -> None:
    with pytest.raises(Damaged, match=said):
        whole_rows(content, PATH, by_checksum=False)


def test_of_a_file_that_grows_the_torn_end_is_no_damage_and_anything_else_is() -> None:
    rows, damage = rows_so_far(GOOD + b'{"step":3,"lo', PATH)
    assert ([row["step"] for row in rows], damage) == ([0, 2], None)
    rows, damage = rows_so_far(b"\x00\x00\n" + GOOD, PATH)
    assert rows == []
    assert "line 1" in str(damage)


def test_numbers_are_what_a_float_holds() -> None:
    assert all(map(is_number, (0, -1.5, None, 2**63 - 1)))
    assert not any(map(is_number, (True, "1", [], {}, 2**63)))
