"""The smallest sweep that trains: for tests of everything around training."""

from pathlib import Path

from initlab.planning.source import Block, SweepSource
from initlab.running import Sweep, plan_sweep

SIZES = {
    "model.n_layer": 1,
    "model.n_head": 2,
    "model.n_embd": 16,
    "model.block_size": 8,
    "train.steps": 6,
    "train.batch_size": 2,
    "train.eval_batches": 1,
}
FLAGS = [
    *("--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "8"),
    *("--steps", "6", "--batch-size", "2", "--eval-batches", "1"),
]
RESULTS = ("metrics.jsonl", "layers.jsonl", "summary.json", "config.json")


def tiny_sweep(folder: Path | None, axes: dict[str, list[object]], **fixed: object) -> Sweep:
    return plan_sweep(SweepSource(fixed={**SIZES, **fixed}, blocks=(Block(axes),)), folder, Path("results"))


def stored_bytes(folder: Path) -> dict[str, bytes]:
    """Everything a sweep stores that must not depend on how it was run."""
    return {
        f"{run.name}/{name}": (run / name).read_bytes()
        for run in sorted((folder / "runs").iterdir())
        for name in RESULTS
    }
