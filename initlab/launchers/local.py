"""Worker processes on this machine: one a core, one thread each, alive from the first group to the last."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from initlab.launchers.task import Task

WORKER_ENV = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_CBWR": "AUTO,STRICT",
}
"""One thread, and matrix products that do not depend on where in memory a lane happens to lie."""
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Event:
    """What happened to a task: ``step`` (it is at step of steps), ``done``, or ``lost`` (its worker died, why)."""

    task: Task
    kind: str
    step: int = 0
    steps: int = 0
    reason: str = ""


class Worker:
    """One child process, its pipes, and the task it is at."""

    def __init__(self, inbox: "queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]") -> None:
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - lives as long as the worker
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "initlab.launchers.worker"],  # -P: no module of the user's folder hides ours
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **WORKER_ENV},
        )
        self.task: Task | None = None
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def give(self, task: Task) -> None:
        self.task = task
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task.to_json()) + "\n")
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
    """Runs tasks on ``jobs`` worker processes. A task whose worker dies is tried once more, on a new one."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._inbox: queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]] = queue.SimpleQueue()
        self._workers: set[Worker] = set()

    def run(self, tasks: list[Task]) -> Iterator[Event]:
        """Yield events until every task is done or lost twice."""
        waiting = deque(tasks)
        lost_before: set[str] = set()
        try:
            while waiting or any(worker.task for worker in self._workers):
                while waiting and len(self._workers) < self._jobs:
                    worker = Worker(self._inbox)
                    self._workers.add(worker)
                    worker.give(waiting.popleft())
                worker, message = self._inbox.get()
                task = worker.task
                if message is None:
                    self._workers.discard(worker)
                    reason = worker.epitaph()
                    worker.close()
                    if task is None:
                        continue
                    if task.runs[0].id not in lost_before:
                        lost_before.add(task.runs[0].id)
                        waiting.appendleft(task)
                        continue
                    yield Event(task, "lost", reason=f"{reason}, twice")
                elif task is not None and message["event"] == "step":
                    yield Event(task, "step", message["step"], message["steps"])
                elif task is not None and message["event"] == "done":
                    worker.task = None
                    if waiting:
                        worker.give(waiting.popleft())
                    yield Event(task, "done")
        except BaseException:
            for worker in self._workers:
                worker.ask_to_stop()
            for worker in self._workers:
                worker.stop()
            raise
        for worker in self._workers:
            worker.close()
