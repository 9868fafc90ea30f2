"""Stored sweeps with planted numbers, made through the store's own API."""

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from initlab.files.json import content_hash
from initlab.inits.catalogue import blueprint_for
from initlab.results.cells import cells_of
from initlab.results.folder import Entry, SweepFolder
from initlab.results.reading import Results, load_results
from initlab.results.run_folder import RunWriter, mark_failed
from initlab.spec.run import ModelSpec

VOCAB = 64
UNIFORM = math.log(VOCAB)
FAILED, MISSING, DIVERGED = "failed", "missing", "diverged"


@dataclass(frozen=True)
class Planted:
    """One cell. ``losses`` maps a seed to its final loss, or to how its run ended without one."""

    losses: dict[int, float | str]
    init: str = "gpt2"
    activation: str = "gelu"
    axes: dict[str, Any] = field(default_factory=dict)
    lr: float = 1e-3
    steps: int = 30
    eps: float | None = None
    residual: tuple[float, ...] = (1.0, 1.5, 2.0)
    initial: float = UNIFORM
    laws: str | None = None
    """The init whose laws the cell really has, where it is not its own."""


def store(path: Path, cells: Iterable[Planted]) -> Results:
    """Store a sweep, in place of what is there, and return it as statements see it."""
    shutil.rmtree(path / "runs", ignore_errors=True)
    folder, planned, laws = SweepFolder(path), [], {}
    cells = list(cells)
    for planted, cell in zip(cells, cells_of([_document(planted) for planted in cells]), strict=True):
        model = ModelSpec.model_validate(cell.to_json()["fields"]["model"])
        blueprint = blueprint_for(model, planted.laws or planted.init, planted.activation, VOCAB)
        laws[blueprint.digest] = blueprint.to_json()
        for seed in planted.losses:
            run_id = content_hash([planted.init, planted.activation, planted.axes, seed, blueprint.digest])
            planned.append((planted, Entry(run_id, cell, seed), blueprint.digest))
    folder.write_plan(
        spec_text="",
        resolved={"laws": laws, "runs": {}},
        sweep={"name": path.name},
        entries=[entry for _, entry, _ in planned],
    )
    for planted, entry, digest in planned:
        _run(folder, planted, entry, digest)
    return load_results(path)


def _document(planted: Planted) -> dict[str, Any]:
    model: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 8, "vocab_size": VOCAB}
    train: dict[str, Any] = {"steps": planted.steps, "lr": planted.lr, "warmup": 0}
    train |= {} if planted.eps is None else {"eps": planted.eps}
    tables = {"model": model, "data": {"corpus": "synthetic"}, "train": train}
    for path, value in planted.axes.items():
        table, _, name = path.partition(".")
        tables[table][name] = value
    return {"init": planted.init, "activation": planted.activation, "axes": planted.axes, "fields": tables}


def _run(folder: SweepFolder, planted: Planted, entry: Entry, digest: str) -> None:
    ended, path = planted.losses[entry.seed], folder.run(entry.id).path
    if ended == MISSING:
        return
    if ended == FAILED:
        mark_failed(path, "planted failure")
        return
    writer = RunWriter.open(path, {"seed": entry.seed, "laws": digest, "corpus_sha256": "c0"}, {})
    assert writer is not None
    layers = {"residual_ms": list(planted.residual), "token_cosine": [0.1, 0.2, 0.3], "logit_var": 0.5}
    writer.layers({"step": 0, "loss": planted.initial, **layers})
    writer.layers({"step": planted.steps, "loss": 3.0, **layers, "residual_ms": [2 * x for x in planted.residual]})
    loss = None if isinstance(ended, str) else ended
    writer.finish(
        {
            "id": entry.id,
            "diverged": ended == DIVERGED,
            "reason": "planted divergence" if ended == DIVERGED else None,
            "train_loss": None if loss is None else loss + 0.01,
            "val_loss": loss,
            "initial_loss": planted.initial,
            "uniform_loss": UNIFORM,
            "entropy_floor": 1.25,
            "growth": planted.residual[-1] / planted.residual[0],
        }
    )


def around(centre: float, noise: Iterable[float], first_seed: int = 0) -> dict[int, float | str]:
    """Return losses about a centre, by seed."""
    return {seed: float(centre + one) for seed, one in enumerate(noise, start=first_seed)}
