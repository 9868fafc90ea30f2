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
from typing import Any, Self, TypeAlias

from initlab.launchers.launcher import Event, LauncherContext, check_options, launcher
from initlab.launchers.task import Task, TaskRun
from initlab.machine.environment import worker_environment
from initlab.results.run_folder import StorageError

GRACE_SECONDS = 5.0

Inbox: TypeAlias = "queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]"
"""Messages of all workers; None is a worker's last, when its process has ended."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Runs of a task that a worker gets together: at first all, and each alone once a worker died over them."""

    task: Task
    runs: tuple[TaskRun, ...]
    is_retry: bool = False


class Worker:
    """One child process, its pipes, and the chunk it trains. ``gpu`` is the only one it sees."""

    def __init__(self, inbox: Inbox, gpu: str | None) -> None:
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
        self.chunk: Chunk | None = None
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def assign(self, chunk: Chunk) -> None:
        """Send it a chunk to train."""
        self.chunk = chunk
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(replace(chunk.task, runs=chunk.runs).to_json()) + "\n")
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
        """Close its stdin, which ends it, and wait for that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def exit_reason(self) -> str:
        """Return how the process ended, with the last line it wrote to stderr."""
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:]
        return f"its worker process {how}" + (f" ({last[0]})" if last else "")

    def _listen(self, inbox: Inbox) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # the last line of a killed process may be torn
                inbox.put((self, json.loads(line)))
        inbox.put((self, None))


@launcher("local", summary="worker processes on this machine: one a core, or one a GPU")
class LocalLauncher:
    """Runs tasks on worker processes: as many as there are jobs, or one for each GPU.

    They start when the context is entered: they import torch while the tasks are made. A worker that died is
    replaced, and its runs are redone once, each alone: one that kills its worker then takes no neighbour down.
    """

    def __init__(self, context: LauncherContext) -> None:
        check_options("local", context.options, ())
        self._jobs = len(context.gpus) or context.jobs
        self._gpus = list(context.gpus)
        self._inbox: Inbox = queue.SimpleQueue()
        self._workers: set[Worker] = set()
        self._waiting: deque[Chunk] = deque()

    def __enter__(self) -> Self:
        for _ in range(self._jobs):
            self._spawn()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            for worker in self._workers:
                worker.ask_to_stop()
        for worker in self._workers:
            worker.close() if error is None else worker.stop()

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Yield events until every run is done, or lost because two workers died over it."""
        self._waiting = deque(Chunk(task=task, runs=task.runs) for task in tasks)
        while self._assign():
            worker, message = self._inbox.get()
            yield from self._on_exit(worker) if message is None else self._on_message(worker, message)

    def _assign(self) -> bool:
        """Give waiting chunks to idle workers and, in place of those that died, to new ones; False: all is done."""
        for worker in self._workers:
            if worker.chunk is None and self._waiting:
                worker.assign(self._waiting.popleft())
        while self._waiting and len(self._workers) < self._jobs:
            self._spawn().assign(self._waiting.popleft())
        return any(worker.chunk for worker in self._workers)

    def _spawn(self) -> Worker:
        worker = Worker(self._inbox, self._gpus.pop() if self._gpus else None)
        self._workers.add(worker)
        return worker

    def _on_message(self, worker: Worker, message: dict[str, Any]) -> Iterator[Event]:
        chunk = worker.chunk
        if chunk is None:  # it is ready, and has nothing to do yet
            return
        if message["event"] == "step":
            yield Event(chunk.task, "step", message["step"], message["steps"])
        elif message["event"] == "note":
            yield Event(chunk.task, "note", reason=message["text"])
        elif message["event"] == "storage":  # no run is to blame, and every other one would meet the same disk
            raise StorageError(message["text"])
        elif message["event"] == "done":
            worker.chunk = None
            yield from self._after(chunk)

    def _on_exit(self, worker: Worker) -> Iterator[Event]:
        """Forget a worker that ended, and queue its runs again, or give them up where they were a retry."""
        self._workers.discard(worker)
        if worker.gpu is not None:
            self._gpus.append(worker.gpu)
        reason, chunk = worker.exit_reason(), worker.chunk
        worker.close()
        if chunk is None:
            return
        if chunk.is_retry:
            yield Event(chunk.task, "lost", reason=f"{reason}, twice", runs=chunk.runs)
            yield from self._after(chunk)
            return
        self._waiting.extendleft(Chunk(task=chunk.task, runs=(run,), is_retry=True) for run in reversed(chunk.runs))
        yield Event(chunk.task, "note", reason=f"{reason}; its runs are redone, each alone")

    def _after(self, chunk: Chunk) -> Iterator[Event]:
        """Say that a task is done when its last chunk is."""
        in_training = [worker.chunk for worker in self._workers if worker.chunk is not None]
        if not any(other.task is chunk.task for other in [*self._waiting, *in_training]):
            yield Event(chunk.task, "done")
