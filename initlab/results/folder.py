"""One sweep's folder: the plan as it is written, and where each run's files lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.files.atomic import write_text
from initlab.files.below import folder_below, make_folder
from initlab.files.system_errors import explain_os_error
from initlab.results.cells import Cell
from initlab.results.run_folder import RunDirectory
from initlab.store.plan_document import check_plan, check_resolved
from initlab.store.stored import Check, raise_for, read_document, write_document


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
    """Writes ``results/<name>/``; what is stored there is read by ``reading.load_results``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_plan(
        self, *, spec_text: str, resolved: dict[str, Any], sweep: dict[str, Any], entries: list[Entry]
    ) -> None:
        """Store the spec as given and as expanded. Runs already stored stay as they are.

        Raises InitlabError when the folder cannot be written.
        """
        cells = list({entry.cell.index: entry.cell for entry in entries}.values())
        places = {cell.index: place for place, cell in enumerate(cells)}
        runs = [{"id": entry.id, "cell": places[entry.cell.index], "seed": entry.seed} for entry in entries]
        documents = [cell.to_json() for cell in cells]
        try:
            make_folder(self.path, "runs")
            write_text(self.path / "spec.toml", spec_text)
            write_document(self.path / "spec.resolved.json", resolved)
            write_document(self.path / "sweep.json", {**sweep, "cells": documents, "runs": runs})
        except OSError as error:
            raise InitlabError(f"cannot write to {self.path}: {explain_os_error(error)}") from error

    def document(self) -> dict[str, Any]:
        """Return sweep.json: name, question, created_at, git_sha, cells, runs; raises Damaged and Unreadable."""
        return self._read("sweep.json", check_plan)

    def resolved(self) -> dict[str, Any]:
        """Return spec.resolved.json: runs, laws, and how they are computed; empty where there is none.

        Raises Damaged and Unreadable.
        """
        return self._read("spec.resolved.json", check_resolved)

    def _read(self, name: str, check: Check) -> dict[str, Any]:
        try:
            with folder_below(self.path) as folder:
                return read_document(folder, name, check) or {}
        except OSError as error:
            raise_for(error, self.path)

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(self.path / "runs" / run_id)
