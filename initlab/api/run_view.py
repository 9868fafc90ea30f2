"""One stored run: what it was, its laws, its curve and its log."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.files.public import PublicValue
from initlab.results.run_record import RunRecord, find_run

MOST_ROWS = 12
"""Rows of a curve that are shown to people."""

PLAIN = {"mult": 1.0, "lr": 1.0, "wd": 1.0, "eps": 1.0, "train": True, "joint": False, "calibrated": False}
"""What most laws have beside their distribution, which people need not read of each."""


@dataclass(frozen=True, repr=False)
class RunView(PublicValue):
    """One run of a stored sweep; ``problem`` says why its laws cannot be shown, where they cannot."""

    record: RunRecord
    laws: dict[str, Any] | None
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        run = self.record.run
        return {
            "id": run.id,
            "sweep": str(self.record.results.path),
            "label": run.label,
            "status": run.status,
            "reason": run.state.reason,
            "wall_seconds": run.state.wall_seconds,
            "config": run.config,
            "laws": self.laws,
            "summary": run.summary,
            "metrics": run.metrics,
            "log": list(self.record.log),
        }

    def describe(self) -> str:
        run = self.record.run
        reason = f" ({run.state.reason})" if run.state.reason else ""
        parts = [f"{run.label}\n{run.id} in {self.record.results.path}: {run.status}{reason}"]
        fields = self.record.cell.fields
        parts.append("config\n" + _indented([f"{k} = {v}" for k, v in fields.items() if v is not None]))
        if self.laws is not None or self.problem:
            parts.append("law\n" + _indented([self.problem] if self.problem else _law_lines(self.laws or {})))
        if run.metrics:
            parts.append("curve\n" + _indented(_curve_lines(run.metrics)))
        if self.record.log:
            parts.append("log\n" + _indented(list(self.record.log)))
        return "\n\n".join(parts)


def show(run: str | Path) -> RunView:
    """Return one stored run: by its folder ``results/x/runs/ID``, or by its id, where ``results/`` has one.

    The beginning of an id is enough where no other begins so; ``results/x/ID`` looks in one sweep alone. Raises
    InitlabError where there is none.

    >>> import initlab
    >>> results = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=2, seeds=1, jobs=1,
    ...                         out="results/shown", progress=False)
    >>> view = initlab.show(results.runs[0].path)
    >>> view.to_json()["status"], [row["step"] for row in view.to_json()["metrics"]]
    ('finished', [0, 1, 2])
    """
    record = find_run(str(run), Path(os.environ.get("INITLAB_OUT", "results")))
    try:
        return RunView(record, record.laws)
    except InitlabError as error:
        return RunView(record, None, str(error))


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _law_lines(laws: dict[str, Any]) -> list[str]:
    slots = laws.get("slots", {})
    return [f"{name}: {_law_words(law)}" for name, law in slots.items()]


def _law_words(law: dict[str, Any]) -> str:
    """Return a law's numbers, those that most laws share left out."""
    return ", ".join(f"{key} {value}" for key, value in law.items() if key not in PLAIN or value != PLAIN[key])


def _curve_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows spread evenly over the steps, the first and the last among them."""
    last = len(rows) - 1
    chosen = sorted({round(part * last / (MOST_ROWS - 1)) for part in range(MOST_ROWS)})
    names = ("step", "train_loss", "val_loss", "lr", "grad_norm")
    lines = ["".join(f"{name:>12}" for name in names)]
    return lines + ["".join(f"{_number(rows[at].get(name)):>12}" for name in names) for at in chosen]


def _number(value: Any) -> str:
    return "" if value is None else f"{value}" if isinstance(value, int) else f"{value:.4g}"
