"""Reads one run's directory and checks what it reads: sizes always, content and counts where results are wanted."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from initlab.files.below import Folder, folder_below
from initlab.store.lock import Holder, holder
from initlab.store.row_files import (
    CONFIG,
    ROW_FILES,
    Row,
    is_number,
    records_in,
    rows_so_far,
    whole_rows,
)
from initlab.store.run_state import RunResult, RunState
from initlab.store.stored import (
    Damaged,
    Unreadable,
    has_checksum,
    parse_document,
    raise_for,
    read_content,
    read_document,
)

KEPT = "kept.json"
"""Beside ``sweep.json`` where a sweep's results are kept without curves; holds the checksums of what is kept."""
LOCK, SUMMARY = ".lock", "summary.json"

_NUMBERS = ("train_loss", "val_loss", "initial_loss", "uniform_loss", "entropy_rate", "entropy_floor", "growth")


class RunReading:
    """One reading of a run: every file of it is read at most once, and what is read does not change any more.

    With ``thorough`` the files of a finished run are read and compared with their checksums before it says that the
    run is finished. Without, they are when they are asked for.
    """

    def __init__(self, path: Path, known: RunResult | None = None, *, thorough: bool) -> None:
        self._path = path
        self._contents: dict[str, bytes | None] = {}
        self._rows: dict[str, list[Row]] = {}
        self.state, self.summary = known or read_result(path)
        if thorough and self.summary is not None:
            self._verify()

    def rows(self, name: str) -> list[Row]:
        """Return the rows of a row file; those that were written so far, where the run has no result."""
        if name not in self._rows:
            self._rows[name] = self._read_rows(name)
            self._contents.pop(name, None)
        return self._rows[name]

    def config(self) -> dict[str, Any]:
        """Return ``config.json``; empty where there is none that can be read."""
        content = self._contents[CONFIG] if CONFIG in self._contents else self._so_far_or_stored(CONFIG)
        return self._document(content, CONFIG)

    def env(self) -> dict[str, Any]:
        """Return ``env.json``; empty where there is none that can be read."""
        return self._document(self._so_far_or_stored("env.json"), "env.json")

    def _so_far_or_stored(self, name: str) -> bytes | None:
        if self.summary is None:
            return self._so_far(name)
        try:
            with _run_folder(self._path) as folder:
                return read_content(folder, name)
        except (OSError, Damaged, Unreadable):
            return None

    def _document(self, content: bytes | None, name: str) -> dict[str, Any]:
        try:
            return {} if content is None else parse_document(content, self._path / name)
        except Damaged:
            return {}

    def _verify(self) -> None:
        assert self.summary is not None
        try:
            with _run_folder(self._path) as folder:
                for name in (*ROW_FILES, CONFIG):
                    self._contents[name] = self._checked(name, read_content(folder, name))
            if self.state.unchecked:
                for name in ROW_FILES:
                    self.rows(name)
        except Damaged as error:
            self._give_up(RunState("damaged", str(error)))
        except Unreadable as error:
            self._give_up(RunState("unreadable", str(error)))
        except OSError as error:
            self._give_up(_refused(error, self._path))

    def _give_up(self, state: RunState) -> None:
        self.state, self.summary = state, None
        self._contents.clear()
        self._rows = {name: [] for name in ROW_FILES}

    def _checked(self, name: str, content: bytes | None) -> bytes | None:
        record = records_in(self.summary or {}).get(name)
        if record is not None and not (content is None and _is_kept(self._path)):
            record.check_size(None if content is None else len(content), self._path / name)
            record.check(content or b"", self._path / name)
        return content

    def _read_rows(self, name: str) -> list[Row]:
        if self.summary is None:
            content = self._so_far(name)
            return [] if content is None else rows_so_far(content, self._path / name)[0]
        if name not in self._contents:
            with _run_folder(self._path) as folder:
                self._contents[name] = self._checked(name, read_content(folder, name))
        content = self._contents[name]
        by_checksum = not self.state.unchecked
        return [] if content is None else whole_rows(content, self._path / name, by_checksum=by_checksum)

    def _so_far(self, name: str) -> bytes | None:
        """Return a file of a run without a result: of the attempt that writes it, or what the last one left."""
        try:
            held = holder(self._path / LOCK)
            with _run_folder(self._path, *([] if held is None else [attempt_name(held.token)])) as folder:
                return read_content(folder, name)
        except (OSError, Damaged, Unreadable):
            return None


def attempt_name(token: str) -> str:
    """Return the folder, inside a run's, that the owner of a lock with this token writes into."""
    return f"attempt-{token}"


def read_result(path: Path) -> RunResult:
    """Return where a run stands, and its summary where it has a result; contents are not compared with checksums.

    The lock is read first: a run that ends between two readings is then finished, never missing.
    """
    try:
        held = holder(path / LOCK)
        with _run_folder(path) as folder:
            status, notes = _status(folder, path.name)
            summary = read_document(folder, SUMMARY, _check_summary(path.name))
            if summary is None:
                return _unfinished(path, held, status, notes), None
            unchecked = "files" not in summary
            if unchecked and has_checksum(read_content(folder, CONFIG) or b""):
                raise Damaged(f"{path / SUMMARY} is damaged: its checksums are gone")
            _check_sizes(folder, summary)
    except Damaged as error:
        return RunState("damaged", str(error)), None
    except Unreadable as error:
        return RunState("unreadable", str(error)), None
    except OSError as error:
        return _refused(error, path), None
    seconds = status.get("wall_seconds")
    state = RunState(
        "diverged" if summary["diverged"] else "finished", summary.get("reason"), seconds, unchecked, notes
    )
    return state, summary


def _refused(error: OSError, path: Path) -> RunState:
    try:
        raise_for(error, path)
    except Damaged as damaged:
        return RunState("damaged", str(damaged))
    except Unreadable as unreadable:
        return RunState("unreadable", str(unreadable))


def _status(folder: Folder, run: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return ``status.json``, which is no part of a result, and what is wrong with it."""
    try:
        document = read_document(folder, "status.json", _check_status) or {}
    except Damaged as error:
        return {}, (str(error),)
    if document.get("id", run) != run:
        return {}, (f"{folder.path / 'status.json'} is damaged: it is another run's",)
    return document, ()


def _unfinished(path: Path, held: Holder | None, status: dict[str, Any], notes: tuple[str, ...]) -> RunState:
    seconds, stored, reason = status.get("wall_seconds"), status.get("status"), status.get("reason")
    if held is not None and held.may_live:
        return RunState("running", None, seconds, notes=notes)
    if held is not None or stored == "running":
        return RunState("interrupted", "the process that trained it is gone", seconds, notes=notes)
    if stored == "failed" or stored == "interrupted":
        return RunState(stored, reason, seconds, notes=notes)
    if stored in ("finished", "diverged"):
        return RunState("damaged", f"{path / SUMMARY} is gone, though status.json says that it was stored")
    return RunState("missing", notes[0] if notes else None)


def _check_status(document: dict[str, Any]) -> None:
    stored, seconds, reason = document.get("status"), document.get("wall_seconds"), document.get("reason")
    if stored not in ("finished", "diverged", "failed", "interrupted", "running"):
        raise ValueError(f"status is {stored!r:.40}")
    if not is_number(seconds) or not isinstance(reason, str | None):
        raise TypeError("wall_seconds is no number or reason no text")


def _check_summary(run: str) -> Callable[[dict[str, Any]], None]:
    """Return what raises for a document that is not the summary of ``run``."""

    def check(summary: dict[str, Any]) -> None:
        if summary.get("id", run) != run:
            raise ValueError(f"it is the summary of another run, {summary['id']!r:.40}")
        if type(summary["diverged"]) is not bool or not isinstance(summary.get("reason"), str | None):
            raise TypeError("diverged is not true or false, or reason no text")
        for name in (*_NUMBERS, "steps", "diverged_at"):
            if not is_number(summary.get(name)):
                raise TypeError(f"{name} is no number")
        sites = summary.get("residual_ms", [])
        if not isinstance(sites, list) or not all(map(is_number, sites)):
            raise TypeError("residual_ms is no list of numbers")
        records_in(summary)

    return check


def _check_sizes(folder: Folder, summary: dict[str, Any]) -> None:
    records = records_in(summary)
    for name in (*ROW_FILES, CONFIG):
        path = folder.path / name
        try:
            size = folder.size(name)
        except OSError as error:
            raise_for(error, path)
        if (record := records.get(name)) is not None and not (size is None and _is_kept(folder.path)):
            record.check_size(size, path)


def _is_kept(run: Path) -> bool:
    return (run.parent.parent / KEPT).is_file()


def _run_folder(path: Path, *more: str) -> AbstractContextManager[Folder]:
    return folder_below(path.parent.parent, path.parent.name, path.name, *more)
