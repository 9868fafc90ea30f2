"""A worker process: tasks come in as JSON lines on stdin, events go out on stdout.

``python -m initlab.launchers.worker``. It imports torch once and lives through many tasks. When its parent goes,
stdin ends and it stops at once, wherever it is: a run that was in flight is simply redone by the next sweep.
"""

import gc
import json
import os
import queue
import signal
import sys
import threading
from typing import Any, TextIO

from initlab.machine.environment import ALLOCATIONS_PER_COLLECTION


def main() -> None:
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with events
    tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)

    import torch

    from initlab.errors import Stopped
    from initlab.launchers.task import Task
    from initlab.launchers.train import train_task
    from initlab.results.run_folder import StorageError

    def stop(number: int, frame: object) -> None:
        raise Stopped("stopped by the user")

    signal.signal(signal.SIGTERM, stop)
    torch.set_num_threads(1)
    _send(events, {"event": "ready"})
    try:
        while True:
            task = Task.from_json(tasks.get())
            try:
                train_task(
                    task,
                    lambda step, steps: _send(events, {"event": "step", "step": step, "steps": steps}),
                    lambda text: _send(events, {"event": "note", "text": text}),
                )
            except StorageError as error:
                _send(events, {"event": "storage", "text": str(error)})
            else:
                _send(events, {"event": "done"})
    except Stopped:
        sys.exit(0)


def _read(tasks: "queue.SimpleQueue[dict[str, Any]]") -> None:
    for line in sys.stdin:
        tasks.put(json.loads(line))
    os._exit(0)


def _send(events: TextIO, event: dict[str, Any]) -> None:
    try:
        events.write(json.dumps(event) + "\n")
        events.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
