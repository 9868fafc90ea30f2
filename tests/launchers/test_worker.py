"""A worker process: ready, then one answer a task, and an end when its parent goes."""

import json
import subprocess
import sys
from pathlib import Path

from initlab.machine.environment import worker_environment
from tests.tiny import tiny_task


def test_it_says_ready_trains_what_comes_and_ends_with_its_input(tmp_path: Path) -> None:
    task = tiny_task(tmp_path, {"seed": [0]})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "initlab.launchers.worker"],
        input=json.dumps(task.to_json()) + "\n",
        capture_output=True,
        text=True,
        env={**worker_environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
    )
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert done.returncode == 0
    # Its input ends at once, so it may stop before the task is over: it is then redone by the next sweep.
    assert events[:1] in ([], ["ready"])
    assert set(events) <= {"ready", "step", "note", "done"}
