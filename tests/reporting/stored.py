"""Makes small stored sweeps through the store's own API, with numbers of plausible size, all from fixed seeds."""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.reporting.analysis import analyse
from initlab.reporting.render.publish import write_report
from initlab.results.cells import cells_of
from initlab.results.folder import Entry, SweepFolder
from initlab.results.frames import SweepFrames, to_frames
from initlab.results.reading import load_results
from initlab.results.run_folder import RunWriter

VOCAB = 256
FLOOR = 1.25
PROBE_STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 300)

Outcome = Callable[[str, str, int], str]


@dataclass(frozen=True)
class Shape:
    """One size of model; steps == 0 is probed at init only."""

    n_layer: int = 2
    n_embd: int = 64
    steps: int = 30
    lr: float = 1e-3


def frames_of(path: Path) -> SweepFrames:
    """Return a stored sweep's frames."""
    return to_frames(load_results(path))


def write(path: Path, **how: Any) -> Path:
    """Write a stored sweep's report and return its page."""
    return write_report(analyse(load_results(path)), **how)


def finished(init: str, activation: str, seed: int) -> str:
    return "finished"


def make_sweep(
    path: Path,
    inits: Iterable[str] = ("gpt2", "depth-scaled"),
    activations: Iterable[str] = ("gelu", "relu"),
    seeds: Iterable[int] = (0, 1),
    shapes: Iterable[Shape] = (Shape(),),
    *,
    question: str | None = "Does residual scaling still matter once ReLU replaces GELU?",
    outcome: Outcome = finished,
    floor: float | None = FLOOR,
) -> SweepFolder:
    """Store a sweep; ``outcome`` names the status each run ends in."""
    shapes, seeds, inits = list(shapes), list(seeds), list(inits)
    cells = cells_of(
        [cell(init, activation, shape, shapes) for shape in shapes for init in inits for activation in activations]
    )
    entries = [
        Entry(f"{len(cells) * seed + number:012x}", one, seed) for number, one in enumerate(cells) for seed in seeds
    ]
    folder = SweepFolder(path)
    folder.write_plan(
        spec_text=f'name = "{path.name}"\n',
        resolved={},
        sweep={
            "name": path.name,
            "question": question,
            "created_at": "2026-11-02T10:00:00+00:00",
            "git_sha": "0a1b2c3d",
        },
        entries=entries,
    )
    for entry in entries:
        write_run(folder, entry, outcome(entry.cell.init, entry.cell.activation, entry.seed), inits, floor)
    return folder


def cell(init: str, activation: str, shape: Shape, shapes: list[Shape]) -> dict[str, Any]:
    axes: dict[str, Any] = {}
    for table, name in (("model", "n_layer"), ("model", "n_embd"), ("train", "steps"), ("train", "lr")):
        if len({getattr(one, name) for one in shapes}) > 1:
            axes[f"{table}.{name}"] = getattr(shape, name)
    model: dict[str, Any] = {
        "n_layer": shape.n_layer,
        "n_head": 4,
        "n_embd": shape.n_embd,
        "block_size": 64,
        "vocab_size": VOCAB,
    }
    model |= {"ffn_ratio": 4.0, "bias": True, "tied": True, "dropout": 0.0}
    train = {"steps": shape.steps, "batch_size": 12, "lr": shape.lr, "warmup": 0, "schedule": "cosine"}
    data = {"corpus": "synthetic", "tokenizer": None, "seed": None}
    tables = {"model": model, "data": data, "train": train}
    return {"init": init, "activation": activation, "axes": axes, "fields": tables}


def write_run(folder: SweepFolder, entry: Entry, status: str, inits: list[str], floor: float | None = FLOOR) -> None:
    if status == "missing":
        return
    env = {"python": "3.12.1", "torch": "2.9.0", "initlab": "0.1.0", "device": "cpu"}
    writer = RunWriter.open(folder.run(entry.id).path, {"seed": entry.seed}, env)
    assert writer is not None
    numbers = Numbers(entry, inits.index(entry.cell.init), floor or 0.0)
    last = numbers.steps if status == "finished" else numbers.steps // 2
    for step in range(last):
        writer.metrics(numbers.metrics(step))
    if status == "finished" and numbers.steps:
        writer.metrics({"step": last, "val_loss": numbers.loss(last)})
    for step in sorted({step for step in PROBE_STEPS if step < last} | {0, last}):
        writer.layers(numbers.layers(step))
    if status in ("finished", "diverged"):
        writer.finish(numbers.summary(entry.id, floor, last if status == "diverged" else None))
    elif status == "failed":
        writer.fail("RuntimeError: out of memory | asked for <2 GiB>")
    elif status == "interrupted":
        writer.interrupt("stopped by the user")
    else:
        assert status == "running"
        writer.metrics({"step": last, "train_loss": 3.0})
        writer.abandon()


class Numbers:
    """What one run measures."""

    def __init__(self, entry: Entry, rank: int, floor: float) -> None:
        self.rank, self.floor = rank, floor
        self.steps = entry.cell.steps
        self.n_layer = entry.cell.n_layer
        self.width = int(entry.cell.fields["model.n_embd"])
        self.relu = entry.cell.activation == "relu"
        self.random = random.Random(f"{entry.id}")
        self.tilt = 1 + 0.03 * self.random.gauss(0, 1)

    def loss(self, step: int, noise: float = 0.0) -> float:
        start = math.log(VOCAB) + 0.02 * self.rank
        slow = (18 + 4 * self.rank + 6 * self.relu) * max(self.steps, 1) / 100
        end = self.floor + 0.35 + (0.05 * self.rank + 0.002) * self.tilt + 0.02 * self.relu
        return end + (start - end) * math.exp(-step / slow) + noise * self.random.gauss(0, 1)

    def metrics(self, step: int) -> dict[str, Any]:
        row = {"step": step, "train_loss": self.loss(step, 0.03), "lr": 1e-3, "grad_norm": 1.0 + self.rank}
        return row | ({"val_loss": self.loss(step)} if step % max(1, self.steps // 4) == 0 else {})

    def residual(self, step: int) -> list[float]:
        gain = (0.4 + 0.5 * self.rank) * (0.6 if self.relu else 1.0) * self.tilt
        learnt = 1 + 3 * math.log1p(step)
        return [4e-4 * learnt * (1 + gain * site) ** (1 + 0.1 * self.rank) for site in range(2 * self.n_layer + 1)]

    def layers(self, step: int) -> dict[str, Any]:
        stream, blocks = self.residual(step), range(self.n_layer)
        depth = 2 * self.n_layer
        return {
            "step": step,
            "loss": self.loss(step),
            "residual_ms": stream,
            "residual_var": [0.98 * value for value in stream],
            "token_cosine": [min(0.99, 0.02 + 0.05 * (1 + self.rank) * site / depth) for site in range(depth + 1)],
            "grad_rms": [1e-3 * math.exp(0.1 * self.rank * (depth - site)) for site in range(depth + 1)],
            "attn_ms": [0.0 if self.rank == 1 else 2e-4 * (1 + block * self.rank) for block in blocks],
            "mlp_ms": [3e-4 * self.tilt * (1 + block) * (1 + self.rank) for block in blocks],
            "attn_entropy": [0.99 - 0.01 * self.rank * block for block in blocks],
            "dead_units": [0.0] * self.n_layer,
            "weight_grad_rms": [1e-4] * self.n_layer,
            **(self.updates(step) if step else {}),
            "logit_var": 0.3 * self.tilt,
        }

    def updates(self, step: int) -> dict[str, list[float]]:
        sizes = {"value": 0.1, "ffn_up": 0.2, "ffn_down": 0.3}
        return {
            f"update_ratio_{role}": [size * self.tilt * (1 + block) / step for block in range(self.n_layer)]
            for role, size in sizes.items()
        }

    def summary(self, run_id: str, floor: float | None, diverged_at: int | None) -> dict[str, Any]:
        stream = self.residual(0)[::2]
        trained = self.steps > 0 and diverged_at is None
        return {
            "id": run_id,
            "diverged": diverged_at is not None,
            "diverged_at": diverged_at,
            "reason": None if diverged_at is None else f"loss is not finite at step {diverged_at}",
            "steps": self.steps,
            "train_loss": self.loss(self.steps) + 0.01 if diverged_at is None else None,
            "val_loss": self.loss(self.steps) if trained else None,
            "initial_loss": self.loss(0),
            "uniform_loss": math.log(VOCAB),
            "entropy_rate": None if floor is None else floor - 0.1,
            "entropy_floor": floor,
            "residual_ms": stream,
            "growth": stream[-1] / stream[0],
        }
