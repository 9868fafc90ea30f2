"""One run's directory: written by the process that trains it, read by everybody.

``config.json`` and ``env.json`` say what and where, ``metrics.jsonl`` and ``layers.jsonl`` grow while it trains,
``summary.json`` is written last and atomically: its presence means the run is over. Metrics, layers and summary
hold nothing that depends on the machine's load, so that two runs of one spec give the same bytes; times stand in
``status.json``.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from initlab.files.json import json_line, read_json, read_lines, write_json
from initlab.results import lock

Status: TypeAlias = Literal["finished", "diverged", "failed", "interrupted", "running", "missing"]
STATUSES: tuple[Status, ...] = ("finished", "diverged", "failed", "interrupted", "running", "missing")
DONE: frozenset[Status] = frozenset({"finished", "diverged"})

FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class RunState:
    """Where a run stands; ``reason`` says why it failed, diverged or stopped, ``wall_seconds`` what it took."""

    status: Status
    reason: str | None = None
    wall_seconds: float | None = None


RunResult: TypeAlias = tuple[RunState, dict[str, Any] | None]
"""Where a run stands, and its summary where it has one."""


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
        """Return where the run stands, and its summary where it has a result.

        The status is read first: a run that ends between the two readings is then finished, never missing.
        """
        status = read_json(self.path / "status.json") or {}
        summary = read_json(self.path / "summary.json")
        return self._state(status, summary), summary

    def _state(self, status: dict[str, Any], summary: dict[str, Any] | None) -> RunState:
        seconds = status.get("wall_seconds")
        if summary is not None:
            return RunState("diverged" if summary.get("diverged") else "finished", summary.get("reason"), seconds)
        stored, reason = status.get("status"), status.get("reason")
        if stored == "failed" or stored == "interrupted":
            return RunState(stored, reason, seconds)
        if stored == "running":
            if lock.is_held(self.path / ".lock"):
                return RunState("running", None, seconds)
            return RunState("interrupted", "the process that trained it is gone", seconds)
        return RunState("missing")

    def summary(self) -> dict[str, Any] | None:
        return read_json(self.path / "summary.json")

    def config(self) -> dict[str, Any] | None:
        return read_json(self.path / "config.json")

    def env(self) -> dict[str, Any] | None:
        return read_json(self.path / "env.json")

    def metrics(self) -> list[dict[str, Any]]:
        """Rows ``{"step", "train_loss", "lr", "grad_norm"}`` and, at evaluations, ``"val_loss"`` (nats per token)."""
        return read_lines(self.path / "metrics.jsonl")

    def layers(self) -> list[dict[str, Any]]:
        """Rows ``{"step", probe: value or list over sites or layers, ...}``."""
        return read_lines(self.path / "layers.jsonl")


class RunWriter:
    """Writes one run from its first step, under its lock. Whatever an earlier attempt left is replaced."""

    def __init__(self, path: Path, config: dict[str, Any], env: dict[str, Any]) -> None:
        self._path = path
        (path / "summary.json").unlink(missing_ok=True)
        self._started = time.time()
        self._set_status("running")
        write_json(path / "config.json", config)
        write_json(path / "env.json", env)
        self._metrics = (path / "metrics.jsonl").open("w", encoding="utf-8")
        self._layers = (path / "layers.jsonl").open("w", encoding="utf-8")
        self._log = (path / "log.txt").open("a", encoding="utf-8")
        self._flushed = time.monotonic()
        self.log("started")

    @classmethod
    def open(cls, path: Path, config: dict[str, Any], env: dict[str, Any]) -> "RunWriter | None":
        """Return a writer, or None while another living process trains the run."""
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, config, env) if lock.acquire(path / ".lock") else None

    def metrics(self, row: dict[str, Any]) -> None:
        self._append(self._metrics, row)

    def layers(self, row: dict[str, Any]) -> None:
        self._append(self._layers, row)

    def log(self, message: str) -> None:
        self._log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {message}\n")
        self._log.flush()

    def beat(self) -> None:
        lock.beat(self._path / ".lock")

    def finish(self, summary: dict[str, Any]) -> None:
        """Close the run with its result; a diverged run is a result too."""
        self._close_streams()
        write_json(self._path / "summary.json", summary)
        self._close("diverged" if summary.get("diverged") else "finished", summary.get("reason"))

    def fail(self, reason: str, details: str = "") -> None:
        if details:
            self.log(details)
        self._close_streams()
        self._close("failed", reason)

    def interrupt(self, reason: str) -> None:
        self._close_streams()
        self._close("interrupted", reason)

    def abandon(self) -> None:
        """Leave the run as a process that dies leaves it: rows so far, a running status, the lock."""
        self._close_streams()
        self._log.close()

    def _append(self, file: IO[str], row: dict[str, Any]) -> None:
        file.write(json_line(row))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._metrics.flush()
            self._layers.flush()
            self._flushed = time.monotonic()

    def _set_status(self, status: Status, reason: str | None = None) -> None:
        now = time.time()
        write_json(
            self._path / "status.json",
            {
                "status": status,
                "reason": reason,
                "started_at": self._started,
                "updated_at": now,
                "wall_seconds": round(now - self._started, 3),
            },
            durable=False,  # lost with the power, it is a run without a result, which is trained again
        )

    def _close_streams(self) -> None:
        self._metrics.close()
        self._layers.close()

    def _close(self, status: Status, reason: str | None) -> None:
        self._set_status(status, reason)
        self.log(status if reason is None else f"{status}: {reason}")
        self._log.close()
        lock.release(self._path / ".lock")


def mark_failed(path: Path, reason: str) -> None:
    """Store that a run failed although its own process could not say so any more."""
    path.mkdir(parents=True, exist_ok=True)
    lock.release(path / ".lock")
    write_json(path / "status.json", {"status": "failed", "reason": reason, "updated_at": time.time()})


def forget_result(path: Path) -> None:
    """Take back the result of a run that is to be trained again, so that no worker skips it."""
    (path / "summary.json").unlink(missing_ok=True)
