"""One run's directory: written by the process that owns it, read by everybody.

``config.json`` and ``env.json`` say what and where, ``metrics.jsonl`` and ``layers.jsonl`` hold a row a step,
``summary.json`` is put there last: its presence means the run is over. Metrics, layers and summary hold nothing that
depends on the machine's load, so that two runs of one spec give the same bytes; times stand in ``status.json``.

While a run is trained its files are in a folder of that attempt alone, which has the token of the owner's lock as its
name, and take their places when the run ends: rows on the disk before the summary, the summary before its name. The
name is given by ``link``, which replaces nothing.
"""

import errno
import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.files.atomic import flush_folder, flush_to_disk
from initlab.files.below import folder_below, make_folder
from initlab.files.system_errors import explain_os_error
from initlab.store import lock
from initlab.store.lock import Lock, LostRun
from initlab.store.row_files import CONFIG, LAYERS, METRICS, ROW_FILES, FileRecord, Row, RowWriter
from initlab.store.run_reading import LOCK, RunReading, attempt_name, read_result
from initlab.store.run_state import DONE, STATUSES, RunResult, RunState, Status
from initlab.store.stored import write_document

__all__ = ["DONE", "STATUSES", "RunDirectory", "RunResult", "RunState", "RunWriter", "Status", "StorageError"]

FLUSH_SECONDS = 1.0
LOG, ENV, STATUS, SUMMARY = "log.txt", "env.json", "status.json", "summary.json"
MOST_LOG_BYTES = 1 << 18
"""Of what earlier attempts logged, that a new one goes on from."""


class StorageError(InitlabError):
    """The disk takes no more: a full one, a quota, a lost mount. No run is to blame, and none is marked failed."""


class RunDirectory:
    """Reads one run as it is now; every file may be absent. What is read is not kept: see ``cells.Run``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        return self.path.name

    def state(self) -> RunState:
        return self.result()[0]

    def result(self) -> RunResult:
        """Return where the run stands, and its summary where it has a result; sizes are checked, contents are not."""
        return read_result(self.path)

    def reading(self, known: RunResult | None = None, *, thorough: bool = False) -> RunReading:
        """Return one reading of the run; a ``thorough`` one compares all with its checksums."""
        return RunReading(self.path, known, thorough=thorough)

    def summary(self) -> dict[str, Any] | None:
        return self.result()[1]

    def config(self) -> dict[str, Any] | None:
        return self.reading().config() or None

    def env(self) -> dict[str, Any] | None:
        return self.reading().env() or None

    def metrics(self) -> list[Row]:
        """Rows ``{"step", "train_loss", "lr", "grad_norm"}`` and, at evaluations, ``"val_loss"`` (nats per token)."""
        return self.reading().rows(METRICS)

    def layers(self) -> list[Row]:
        """Rows ``{"step", probe: value or list over sites or layers, ...}``."""
        return self.reading().rows(LAYERS)


class RunWriter:
    """Writes one run from its first step, under its lock. Whatever an earlier attempt left is replaced.

    Every method raises LostRun, and has written nothing, once another process owns the run, and StorageError where
    the disk takes no more.
    """

    def __init__(self, path: Path, owned: Lock, config: dict[str, Any], env: dict[str, Any]) -> None:
        self._path, self._lock = path, owned
        self._attempt = path / attempt_name(owned.token)
        self._started = time.time()
        _clear_attempts(path, owned)
        self._attempt.mkdir()
        self._config = FileRecord.of(write_document(self._attempt / CONFIG, config, durable=False))
        write_document(self._attempt / ENV, {"id": path.name, **env}, durable=False)
        self._set_status("running")
        self._log = self._attempt / LOG
        self._start_log()
        self.log("started")
        self._rows = {name: RowWriter(self._attempt / name) for name in ROW_FILES}
        self._flushed = time.monotonic()

    @classmethod
    def open(cls, path: Path, config: dict[str, Any], env: dict[str, Any]) -> "RunWriter | None":
        """Return a writer; None while another living process trains the run, and where it has a result by now."""
        with _storing(path):
            make_folder(path.parent.parent, path.parent.name, path.name)
            owned = lock.acquire(path / LOCK)
            if owned is None:
                return None
            if os.path.lexists(path / SUMMARY):  # whoever had the lock before has finished it
                owned.release()
                return None
            try:
                return cls(path, owned, config, env)
            except BaseException:
                shutil.rmtree(path / attempt_name(owned.token), ignore_errors=True)
                owned.release()
                raise

    def metrics(self, row: Row) -> None:
        self._append(METRICS, row)

    def layers(self, row: Row) -> None:
        self._append(LAYERS, row)

    def log(self, message: str) -> None:
        with _storing(self._path):
            self._lock.check()
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {message}\n")

    def flush(self) -> None:
        """Have all rows so far be in the attempt's files."""
        with _storing(self._path):
            self._flush()

    def beat(self) -> None:
        with suppress(OSError):  # one beat that is lost is made up for by the next
            self._lock.beat()

    def finish(self, summary: dict[str, Any]) -> None:
        """Close the run with its result; a diverged run is a result too."""
        ended: Status = "diverged" if summary.get("diverged") else "finished"
        reason = summary.get("reason")
        with _storing(self._path):
            self._flush()
            for rows in self._rows.values():
                rows.sync()
            flush_to_disk(self._attempt / CONFIG)
            files = {name: rows.record().to_json() for name, rows in self._rows.items()}
            files[CONFIG] = self._config.to_json()
            write_document(self._attempt / SUMMARY, {**summary, "files": files})
            self._end(ended, reason)
            self._place(*ROW_FILES, CONFIG, ENV, LOG)
            self._log = self._path / LOG
            flush_folder(self._path)  # the rows' names, before that of the summary that speaks of them
            self._lock.check()
            try:
                _name_once(self._attempt / SUMMARY, self._path / SUMMARY)
            except FileExistsError:
                raise LostRun(f"{self._path.name} was finished by another process") from None
            flush_folder(self._path)
            self._place(STATUS)
            self.log(_said(ended, reason))  # it is now, and was not before
        self._leave()

    def fail(self, reason: str, details: str = "") -> None:
        self._stop("failed", reason, details)

    def interrupt(self, reason: str) -> None:
        self._stop("interrupted", reason)

    def abandon(self) -> None:
        """Leave the run as a process that dies leaves it: rows so far, a running status, the lock."""
        self._flush()
        self._close_rows()

    def give_up(self) -> None:
        """Leave the run to others without a word in it: its disk is full, or it is not this process's any more."""
        self._close_rows()
        with suppress(OSError):
            shutil.rmtree(self._attempt)
        with suppress(OSError):
            self._lock.release()

    def _stop(self, status: Status, reason: str, details: str = "") -> None:
        with _storing(self._path):
            self._flush()
            if details:
                self.log(details)
            self._end(status, reason)
            self.log(_said(status, reason))
            self._place(*ROW_FILES, CONFIG, ENV, LOG, STATUS)
        self._leave()

    def _append(self, name: str, row: Row) -> None:
        self._rows[name].add(row)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            with _storing(self._path):
                self._flush()

    def _flush(self) -> None:
        self._lock.check()
        for rows in self._rows.values():
            rows.flush()
        self._flushed = time.monotonic()

    def _end(self, status: Status, reason: str | None) -> None:
        self._close_rows()
        self._set_status(status, reason)

    def _set_status(self, status: Status, reason: str | None = None) -> None:
        now = time.time()
        document = _status(self._path.name, status, reason, self._started, now)
        write_document(self._attempt / STATUS, document, durable=False)

    def _start_log(self) -> None:
        """Begin with what earlier attempts logged."""
        earlier = b""
        with suppress(OSError), folder_below(self._path) as folder:
            earlier = folder.read(LOG)[-MOST_LOG_BYTES:]
        self._log.write_bytes(earlier)

    def _place(self, *names: str) -> None:
        """Give files of this attempt their places in the run."""
        for name in names:
            self._lock.check()
            (self._attempt / name).replace(self._path / name)

    def _close_rows(self) -> None:
        for rows in self._rows.values():
            rows.close()

    def _leave(self) -> None:
        shutil.rmtree(self._attempt, ignore_errors=True)
        lock.clear_claims(self._path / LOCK)
        self._lock.release()


def _said(status: Status, reason: str | None) -> str:
    return status if reason is None else f"{status}: {reason}"


def _status(run: str, status: Status, reason: str | None, started: float, now: float) -> dict[str, Any]:
    seconds = round(now - started, 3)
    times = {"started_at": started, "updated_at": now, "wall_seconds": seconds}
    return {"id": run, "status": status, "reason": reason, **times}


def _name_once(source: Path, target: Path) -> None:
    """Rename a file; raises FileExistsError where the name is taken."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in lock.NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "taken", str(target)) from None
        source.rename(target)


def _clear_attempts(path: Path, owned: Lock) -> None:
    """Remove what earlier attempts left: their folders and temporary files.

    What is listed while the run is ours is no later owner's, however long this process sleeps before it removes it.
    Files whose names a later owner uses too are left: they are replaced when the run ends.
    """
    listed = list(path.iterdir())
    owned.check()
    for old in listed:
        if old.name.startswith("attempt-"):
            shutil.rmtree(old, ignore_errors=True)
        elif old.name.startswith(".") and not old.name.startswith(LOCK):
            with suppress(OSError):
                old.unlink()


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a StorageError that says what to do about it."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StorageError(f"cannot store {path}{where}: {explain_os_error(error)}") from error


def mark_failed(path: Path, reason: str) -> None:
    """Store that a run failed although its own process could not say so any more; not while another one trains it.

    A result that is there stays: the run is then not failed.
    """
    with owned(path) as mine:
        if mine:
            now = time.time()
            write_document(path / STATUS, _status(path.name, "failed", reason, now, now))


def forget_result(path: Path) -> None:
    """Take back the result of a run that is to be trained again, so that no worker skips it."""
    with owned(path) as mine:
        if mine:
            (path / SUMMARY).unlink(missing_ok=True)


@contextmanager
def owned(path: Path, silent: Collection[str] = ()) -> Iterator[bool]:
    """Own a run for a moment; False while another living process does. ``silent`` as in ``lock.acquire``."""
    with _storing(path):
        make_folder(path.parent.parent, path.parent.name, path.name)
        mine = lock.acquire(path / LOCK, silent)
        try:
            yield mine is not None
        finally:
            if mine is not None:
                mine.release()
