"""The row files of a run, and what its summary says of them: how many rows and bytes, and their checksum."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from initlab.files.json import json_line
from initlab.store.stored import Damaged, parse_json

METRICS, LAYERS, CONFIG = "metrics.jsonl", "layers.jsonl", "config.json"
ROW_FILES = (METRICS, LAYERS)

Row = dict[str, Any]


@dataclass(frozen=True)
class FileRecord:
    """What a finished file holds; ``rows`` is None where it is no row file."""

    size: int
    sha256: str
    rows: int | None = None

    @classmethod
    def of(cls, content: bytes) -> "FileRecord":
        return cls(len(content), hashlib.sha256(content).hexdigest())

    def to_json(self) -> dict[str, Any]:
        rows = {} if self.rows is None else {"rows": self.rows}
        return {**rows, "bytes": self.size, "sha256": self.sha256}

    def check_size(self, size: int | None, path: Path) -> None:
        """Raise Damaged unless the file has its size; None is a file that is not there."""
        if size is None:
            raise Damaged(f"{path} is gone: {self.size} bytes were stored")
        if size != self.size:
            raise Damaged(f"{path} is damaged: {size} bytes, {self.size} were stored")

    def check(self, content: bytes, path: Path) -> None:
        """Raise Damaged unless the content is what was stored."""
        self.check_size(len(content), path)
        if self.rows is not None and (lines := content.count(b"\n")) != self.rows:
            raise Damaged(f"{path} is damaged: {lines} rows, {self.rows} were stored")
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise Damaged(f"{path} is damaged: it is not what was stored, by its checksum")


def records_in(summary: Mapping[str, Any]) -> dict[str, FileRecord]:
    """Return what a summary says of its run's files; nothing where an earlier version wrote it.

    Raises ValueError, KeyError or TypeError where it says something else.
    """
    files = summary.get("files", {})
    if "files" in summary and (not isinstance(files, dict) or set(files) != {*ROW_FILES, CONFIG}):
        raise ValueError("files does not name the files of a run")
    records = {name: FileRecord(one["bytes"], one["sha256"], one.get("rows")) for name, one in files.items()}
    for record in records.values():
        if (
            type(record.size) is not int
            or type(record.sha256) is not str
            or type(record.rows) not in (int, type(None))
        ):
            raise TypeError("files holds no sizes and checksums")
    return records


class RowWriter:
    """Appends rows to a new file, and knows what it has written. Nothing reaches the file before a ``flush``."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        self._digest, self._size, self._rows = hashlib.sha256(), 0, 0
        self._waiting: list[bytes] = []

    def add(self, row: Row) -> None:
        self._waiting.append(json_line(row).encode("utf-8"))

    def flush(self) -> None:
        """Write what waits; raises OSError where it cannot be written."""
        assert self._descriptor is not None
        content, rows = b"".join(self._waiting), len(self._waiting)
        self._waiting.clear()
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._digest.update(content)
        self._size += len(content)
        self._rows += rows

    def sync(self) -> None:
        """Return once all that was flushed has reached the disk."""
        assert self._descriptor is not None
        os.fsync(self._descriptor)

    def record(self) -> FileRecord:
        return FileRecord(self._size, self._digest.hexdigest(), self._rows)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def whole_rows(content: bytes, path: Path, *, by_checksum: bool) -> list[Row]:
    """Return every row of a finished file; raises Damaged for one that is none.

    What was checked ``by_checksum`` was written as rows. Elsewhere each is looked at, and no step may come twice or
    late.
    """
    if by_checksum:
        rows: list[Row] = parse_json(b"[" + b",".join(content.splitlines()) + b"]", path)
        return rows
    rows = [_row(line, path, number) for number, line in enumerate(content.splitlines(), start=1)]
    if content and not content.endswith(b"\n"):
        raise Damaged(f"{path} is damaged: its last line is cut")
    if any(later["step"] <= row["step"] for row, later in pairwise(rows)):
        raise Damaged(f"{path} is damaged: its steps are out of order")
    return rows


def rows_so_far(content: bytes, path: Path) -> tuple[list[Row], Damaged | None]:
    """Return the rows of a file that may still grow, up to the first that is none, and what is wrong with that.

    A torn last line, which a killed writer leaves, is nothing wrong.
    """
    rows: list[Row] = []
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_row(line, path, number))
        except Damaged as error:
            torn = number == len(lines) and not line.endswith(b"\n")
            return rows, None if torn else error
    return rows, None


def _row(line: bytes, path: Path, number: int) -> Row:
    try:
        row = parse_json(line, path)
    except Damaged as error:
        raise Damaged(f"{path}, line {number}: not JSON; the file was edited or damaged") from error
    if not isinstance(row, dict) or type(row.get("step")) is not int or not all(map(_is_value, row.values())):
        raise Damaged(f"{path}, line {number}: not a row of numbers; the file was edited or damaged")
    return row


def _is_value(value: Any) -> bool:
    return is_number(value) or (isinstance(value, list) and all(map(is_number, value)))


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number a float can hold, or null, which stands for one that was not finite."""
    return value is None or type(value) is float or (type(value) is int and abs(value) < 2**63)
