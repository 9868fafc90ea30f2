"""The public JSON document of a sweep's results."""

from typing import Any

from initlab.results.reading import Results

NUMBERS = ("steps", "train_loss", "val_loss", "residual_ms")
"""What the document takes from a run's summary."""


def sweep_document(results: Results) -> dict[str, Any]:
    """Return the document's keys: one entry a planned run, with None for what it has not."""
    runs = []
    for run in results.runs:
        cell = results.cells[run.cell_index]
        runs.append(
            {
                "id": run.id,
                "init": cell.init,
                "activation": cell.activation,
                "seed": run.seed,
                "status": run.status,
                "reason": run.state.reason,
                **{key: run.summary.get(key) for key in NUMBERS},
                "axes": cell.axes,
                "wall_seconds": run.state.wall_seconds,
            }
        )
    return {"sweep": results.name, "path": str(results.path), "runs": runs}
