"""Sweeps as a user runs them, in processes of their own that are killed, stopped, raced and starved."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.tiny import stored_bytes

# A background job of a shell inherits an ignored Ctrl-C; these sweeps are to feel it wherever the tests run.
FEELS_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = [sys.executable, "-c", f"{FEELS_INTERRUPTS}; from initlab.cli.main import run; run()"]
SIZES = ["--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "1"]
SMALL = [*SIZES, "--eval-batches", "1", "--activation", "gelu", "--init", "gpt2"]

PATIENCE = 240.0
"""Seconds that a busy machine is given; nothing here waits for them where all is well."""


class Sweep:
    """One ``initlab sweep`` of a few small runs, the leader of a process group of its own."""

    def __init__(self, folder: Path, *more: str, seeds: int = 3, steps: int = 300, jobs: int = 1) -> None:
        self.folder = folder
        arguments = [
            "sweep",
            *SMALL,
            "--seeds",
            str(seeds),
            "--steps",
            str(steps),
            "--jobs",
            str(jobs),
            "--lanes",
            "1",
        ]
        self.process = subprocess.Popen(
            [*COMMAND, *arguments, "-o", str(folder), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "CI": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the sweep and its workers at once."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def end(self, patience: float = PATIENCE) -> tuple[int, str]:
        """Wait for its end and return exit code and output; one that outlives its time is killed and raises."""
        try:
            output, _ = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.signal_all(signal.SIGKILL)
            raise
        return self.process.returncode, output

    def workers(self) -> list[int]:
        """Return the pids of its workers."""
        listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.pid)], capture_output=True, text=True)
        return [int(line.split()[0]) for line in listed.stdout.splitlines() if "launchers.worker" in line]


def finished(folder: Path, **how: int) -> str:
    """Run the sweep to its end and return what it said."""
    code, output = Sweep(folder, **how).end()
    assert code == 0, output
    return output


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for something to happen; raises AssertionError where it does not."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def started(folder: Path) -> int:
    """Return how many runs have begun to be trained."""
    return len(list(folder.glob("runs/*/attempt-*/metrics.jsonl"))) + ended(folder)


def ended(folder: Path) -> int:
    return len(list(folder.glob("runs/*/summary.json")))


def faults(folder: Path, right: dict[str, bytes]) -> list[str]:
    """Say what of a finished sweep differs from one that nothing happened to, and what lies about."""
    found = [] if stored_bytes(folder) == right else ["other bytes"]
    hidden = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith((".", "attempt-"))]
    found += [f"left behind: {hidden}"] if hidden else []
    for log in folder.glob("runs/*/log.txt"):
        if (times := log.read_text().count(" finished")) != 1:
            found.append(f"{log.parent.name} finished {times} times")
    return found


def killed(folder: Path, right: dict[str, bytes], dice: random.Random, **how: int) -> list[str]:
    """Kill a sweep in a way and at a moment that are drawn, give the same command at once, and say what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    sweep = Sweep(folder, **how)
    time.sleep(dice.uniform(1.0, 5.0))
    way = dice.choice(("group", "parent", "worker", "stop and group", "term", "interrupt"))
    workers = sweep.workers()
    if way == "worker" and workers:
        os.kill(dice.choice(workers), signal.SIGKILL)
    elif way == "parent":
        sweep.process.kill()
    elif way == "stop and group":
        sweep.signal_all(signal.SIGSTOP)
        time.sleep(dice.uniform(0.0, 0.5))
        sweep.signal_all(signal.SIGKILL)
    elif way in ("term", "interrupt"):
        os.kill(sweep.pid, signal.SIGTERM if way == "term" else signal.SIGINT)
    else:
        sweep.signal_all(signal.SIGKILL)
    before = {path: path.read_bytes() for path in folder.glob("runs/*/summary.json")}
    second = Sweep(folder, **how)  # before the first one's dead are reaped
    code, output = second.end()
    sweep.end()
    found = [f"exit {code}: {output[-300:]}"] if code else []
    found += [
        f"{path.parent.name} was done twice" for path, content in before.items() if path.read_bytes() != content
    ]
    return [f"{way}: {fault}" for fault in [*found, *faults(folder, right)]]


def raced(folder: Path, right: dict[str, bytes], dice: random.Random, sweeps: int, **how: int) -> list[str]:
    """Run the same sweep several times at once; all have to end well."""
    shutil.rmtree(folder, ignore_errors=True)
    racers = []
    for _ in range(sweeps):
        racers.append(Sweep(folder, **how))
        time.sleep(dice.uniform(0.0, 2.0))
    codes = [racer.end() for racer in racers]
    return [*(f"exit {code}: {output[-300:]}" for code, output in codes if code), *faults(folder, right)]
