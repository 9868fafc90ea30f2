"""Worker processes, alive from the first group to the last: one a core with one thread each, or one a GPU."""

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from initlab.launchers.task import Task, TaskRun
from initlab.machine.environment import worker_environment

GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Event:
    """What happened to a task.

    ``step``: it is at step of steps; ``note``: something a user should know, in ``reason``; ``lost``: its worker died
    again over ``runs``, why; ``done``: nothing of it is left to do.
    """

    task: Task
    kind: Literal["step", "note", "lost", "done"]
    step: int = 0
    steps: int = 0
    reason: str = ""
    runs: tuple[TaskRun, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Runs of a task that a worker gets together: at first all, and each alone once a worker died over them."""

    task: Task
    runs: tuple[TaskRun, ...]
    again: bool = False


class Worker:
    """One child process, its pipes, and what it is at. ``gpu`` is the only one it sees."""

    def __init__(self, inbox: "queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]", gpu: str | None) -> None:
        self.gpu = gpu
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - lives as long as the worker
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "initlab.launchers.worker"],  # -P: no module of the user's folder hides ours
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**worker_environment(), **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})},
        )
        self.piece: Piece | None = None
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def give(self, piece: Piece) -> None:
        self.piece = piece
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(replace(piece.task, runs=piece.runs).to_json()) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it is dead: its end of stdout says so to the inbox

    def ask_to_stop(self) -> None:
        """Ask it to mark its runs interrupted and end."""
        self._process.terminate()

    def stop(self) -> None:
        """Wait for its end, and kill it when that takes too long."""
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.close()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def epitaph(self) -> str:
        """Say how the process ended, with the last line it wrote to stderr."""
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:]
        return f"its worker process {how}" + (f" ({last[0]})" if last else "")

    def _listen(self, inbox: "queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]") -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            inbox.put((self, json.loads(line)))
        inbox.put((self, None))


class LocalLauncher:
    """Runs tasks on worker processes: ``jobs`` of them, or one for each of ``gpus``.

    Used as a context, whose begin starts the workers: they import torch while the tasks are made. When a worker dies
    it is replaced, and its runs are redone once, each alone: one that kills its worker then takes no neighbour down.
    """

    def __init__(self, jobs: int, gpus: Sequence[str] = ()) -> None:
        self._jobs = len(gpus) or jobs
        self._gpus = list(gpus)
        self._inbox: queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]] = queue.SimpleQueue()
        self._workers: set[Worker] = set()
        self._waiting: deque[Piece] = deque()

    def __enter__(self) -> Self:
        for _ in range(self._jobs):
            self._hire()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            for worker in self._workers:
                worker.ask_to_stop()
        for worker in self._workers:
            worker.close() if error is None else worker.stop()

    def run(self, tasks: list[Task]) -> Iterator[Event]:
        """Yield events until every run is done or lost twice."""
        self._waiting = deque(Piece(task, task.runs) for task in tasks)
        while self._assign():
            worker, message = self._inbox.get()
            yield from self._bury(worker) if message is None else self._hear(worker, message)

    def _assign(self) -> bool:
        """Give who has nothing to do a piece, and say whether anybody is at work."""
        for worker in self._workers:
            if worker.piece is None and self._waiting:
                worker.give(self._waiting.popleft())
        while self._waiting and len(self._workers) < self._jobs:
            self._hire().give(self._waiting.popleft())
        return any(worker.piece for worker in self._workers)

    def _hire(self) -> Worker:
        worker = Worker(self._inbox, self._gpus.pop() if self._gpus else None)
        self._workers.add(worker)
        return worker

    def _hear(self, worker: Worker, message: dict[str, Any]) -> Iterator[Event]:
        piece = worker.piece
        if piece is None:
            return
        if message["event"] == "step":
            yield Event(piece.task, "step", message["step"], message["steps"])
        elif message["event"] == "note":
            yield Event(piece.task, "note", reason=message["text"])
        elif message["event"] == "done":
            worker.piece = None
            yield from self._ended(piece)

    def _bury(self, worker: Worker) -> Iterator[Event]:
        """Take leave of a worker that died, and see to the runs it was at."""
        self._workers.discard(worker)
        if worker.gpu is not None:
            self._gpus.append(worker.gpu)
        reason, piece = worker.epitaph(), worker.piece
        worker.close()
        if piece is None:
            return
        if piece.again:
            yield Event(piece.task, "lost", reason=f"{reason}, twice", runs=piece.runs)
            yield from self._ended(piece)
            return
        self._waiting.extendleft(Piece(piece.task, (run,), again=True) for run in reversed(piece.runs))
        yield Event(piece.task, "note", reason=f"{reason}; its runs are redone, each alone")

    def _ended(self, piece: Piece) -> Iterator[Event]:
        at_work = [worker.piece for worker in self._workers if worker.piece is not None]
        if not any(other.task is piece.task for other in [*self._waiting, *at_work]):
            yield Event(piece.task, "done")
