"""A run's life without a network: the same rows every time, so that any two lives end in the same bytes."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from initlab.results.run_folder import RunWriter
from initlab.store.run_reading import read_result

RUN = "a1b2c3d4e5f6"
STEPS = 12
FILES = ("metrics.jsonl", "layers.jsonl", "config.json", "summary.json")


def run_path(sweep: Path, run: str = RUN) -> Path:
    return sweep / "runs" / run


def live(sweep: Path, run: str = RUN) -> bool:
    """Train the run; False where it has a result or another process has it. Raises what its writer raises."""
    writer = RunWriter.open(run_path(sweep, run), {"id": run, "model": {"n_layer": 1}}, {"device": "cpu"})
    if writer is None:
        return False
    try:
        for step in range(STEPS):
            writer.metrics({"step": step, "train_loss": 4.0 / (step + 1), "grad_norm": 0.5})
            if step % 5 == 0:
                writer.layers({"step": step, "residual_ms": [1.0, 1.5, 2.0 + step]})
                writer.flush()  # as a second that passes would
        writer.finish({"id": run, "diverged": False, "reason": None, "train_loss": 0.5, "val_loss": 0.25})
    except Exception:
        writer.give_up()
        raise
    return True


def stored(sweep: Path, run: str = RUN) -> dict[str, bytes]:
    """Return the run's files that must not depend on what happened to it."""
    path = run_path(sweep, run)
    return {name: (path / name).read_bytes() for name in FILES if (path / name).is_file()}


def bury(sweep: Path) -> None:
    """Have every lock's owner be dead: its pid now belongs to a process that started later."""
    for path in run_path(sweep).glob(".lock*"):
        text = path.read_text()
        if text.startswith("{"):
            path.write_text(json.dumps({**json.loads(text), "started": "1"}))


def wrong(sweep: Path, right: dict[str, bytes]) -> str | None:
    """Say what is wrong with a run as it lies there: finished with other bytes, or lost. None: finished, or to do."""
    state, summary = read_result(run_path(sweep))
    if summary is not None:
        return None if stored(sweep) == right else f"finished with other bytes: {state}"
    return None if state.status in ("missing", "interrupted", "failed", "running", "damaged") else str(state)


def litter(sweep: Path, run: str = RUN) -> list[str]:
    """Return what lies in the run beside its files."""
    known = {*FILES, "env.json", "status.json", "log.txt"}
    return sorted(path.name for path in run_path(sweep, run).iterdir() if path.name not in known)


def forked(work: Callable[[], object]) -> int:
    """Do some work in a process of its own, whatever it raises, and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def wait_for_end(pid: int, *, reap: bool = True) -> None:
    """Return once a child has ended; one that is not reaped is a zombie."""
    os.waitid(os.P_PID, pid, os.WEXITED | (0 if reap else os.WNOWAIT))


def wait_for_stop(pid: int) -> bool:
    """Return once a child has stopped; False where it has ended instead."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


def live_all(sweep: Path, runs: Sequence[str]) -> None:
    """Train whatever of these runs is free, as a worker does that others work beside."""
    for run in runs:
        live(sweep, run)


def itself(number: signal.Signals) -> Callable[[], None]:
    """Return what sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)
