"""One sweep's folder: the plan as it was made, and the runs by id."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.files.json import read_json, write_json
from initlab.results.run import STATUSES, RunDirectory, RunState


@dataclass(frozen=True)
class Cell:
    """All runs that differ by seed alone.

    ``init`` is the name it was asked for by, ``axes`` the swept fields other than init, activation and seed, and
    ``fields`` every field of its runs but the seed: ``{"model": {...}, "data": {...}, "train": {...}}``. ``network``
    says in words how its network differs from GPT-2's.
    """

    init: str
    activation: str
    axes: dict[str, Any]
    fields: dict[str, Any]
    network: str = ""

    @property
    def label(self) -> str:
        """A name for tables and messages: ``gpt2 · gelu · n_layer=4``."""
        axes = [f"{key.rsplit('.', 1)[-1]}={value}" for key, value in self.axes.items()]
        return " · ".join([self.init, self.activation, *axes])


@dataclass(frozen=True)
class Entry:
    """One planned run. ``id`` is the hash of its content: two names of one law share it."""

    id: str
    cell: Cell
    seed: int

    @property
    def label(self) -> str:
        return f"{self.cell.label} · seed {self.seed}"


class SweepFolder:
    """Reads and writes ``results/<name>/``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path) -> "SweepFolder":
        """Return the sweep stored at ``path``; raises InitlabError where there is none."""
        folder = cls(path)
        if not path.exists():
            raise InitlabError(f"{path}: no such folder; `initlab sweep -o {path}` would make it")
        if read_json(path / "sweep.json") is None:
            inside = sorted(p.parent.name for p in path.glob("*/sweep.json")) if path.is_dir() else []
            hint = f"; did you mean {path / inside[0]}?" if inside else ""
            raise InitlabError(f"{path} is not a sweep's folder (it has no readable sweep.json){hint}")
        return folder

    def write_plan(
        self, *, spec_text: str, resolved: dict[str, Any], sweep: dict[str, Any], entries: list[Entry]
    ) -> None:
        """Store the spec as given and as expanded. Runs already stored stay as they are.

        Raises InitlabError when the folder cannot be written.
        """
        numbers: dict[int, int] = {}
        cells: list[dict[str, Any]] = []
        for entry in entries:
            if id(entry.cell) not in numbers:
                numbers[id(entry.cell)] = len(cells)
                cells.append(asdict(entry.cell))
        runs = [{"id": entry.id, "cell": numbers[id(entry.cell)], "seed": entry.seed} for entry in entries]
        try:
            (self.path / "runs").mkdir(parents=True, exist_ok=True)
            (self.path / "spec.toml").write_text(spec_text, encoding="utf-8")
            write_json(self.path / "spec.resolved.json", resolved)
            write_json(self.path / "sweep.json", {**sweep, "cells": cells, "runs": runs})
        except OSError as error:
            raise InitlabError(f"cannot write to {self.path}: {error.strerror or error}") from error

    def document(self) -> dict[str, Any]:
        """Return sweep.json: name, question, created_at, git_sha, cells, runs."""
        return read_json(self.path / "sweep.json") or {}

    def resolved(self) -> dict[str, Any]:
        """Return spec.resolved.json: runs, laws, and how they are computed; empty where there is none."""
        return read_json(self.path / "spec.resolved.json") or {}

    def entries(self) -> list[Entry]:
        document = self.document()
        cells = [Cell(**cell) for cell in document.get("cells", [])]
        return [Entry(run["id"], cells[run["cell"]], run["seed"]) for run in document.get("runs", [])]

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(self.path / "runs" / run_id)

    def states(self) -> Iterator[tuple[Entry, RunState]]:
        """Yield where each planned run stands."""
        for entry in self.entries():
            yield entry, self.run(entry.id).state()

    def counts(self) -> dict[str, int]:
        found = Counter(state.status for _, state in self.states())
        return {status: found[status] for status in STATUSES}
