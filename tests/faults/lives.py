"""A run's life without a network: the same rows every time, so that any two lives end in the same bytes."""

import json
from pathlib import Path

from initlab.results.run_folder import RunWriter
from initlab.store.run_reading import read_result

RUN = "a1b2c3d4e5f6"
STEPS = 12
FILES = ("metrics.jsonl", "layers.jsonl", "config.json", "summary.json")


def run_path(sweep: Path) -> Path:
    return sweep / "runs" / RUN


def live(sweep: Path) -> bool:
    """Train the run; False where it has a result or another process has it. Raises what its writer raises."""
    writer = RunWriter.open(run_path(sweep), {"id": RUN, "model": {"n_layer": 1}}, {"device": "cpu"})
    if writer is None:
        return False
    try:
        for step in range(STEPS):
            writer.metrics({"step": step, "train_loss": 4.0 / (step + 1), "grad_norm": 0.5})
            if step % 5 == 0:
                writer.layers({"step": step, "residual_ms": [1.0, 1.5, 2.0 + step]})
                writer.flush()  # as a second that passes would
        writer.finish({"id": RUN, "diverged": False, "reason": None, "train_loss": 0.5, "val_loss": 0.25})
    except Exception:
        writer.give_up()
        raise
    return True


def stored(sweep: Path) -> dict[str, bytes]:
    """Return the run's files that must not depend on what happened to it."""
    return {name: (run_path(sweep) / name).read_bytes() for name in FILES if (run_path(sweep) / name).is_file()}


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


def litter(sweep: Path) -> list[str]:
    """Return what lies in the run beside its files."""
    known = {*FILES, "env.json", "status.json", "log.txt"}
    return sorted(path.name for path in run_path(sweep).iterdir() if path.name not in known)
