"""What of a sweep's folder is not what was stored, beside its results: for ``initlab status --verify``."""

import os
from collections.abc import Iterator
from pathlib import Path

from initlab.errors import InitlabError
from initlab.files.below import folder_below
from initlab.results.reading import PREDICTIONS, Results
from initlab.store.plan_document import check_resolved
from initlab.store.run_state import DONE
from initlab.store.stored import Damaged, raise_for, read_document


def damaged_beside_results(results: Results) -> tuple[str, ...]:
    """Return a line for each document that no result depends on and that is damaged, gone or cannot be read."""
    lines = []
    if results.checked:
        if not os.path.lexists(results.path / "spec.resolved.json"):
            lines.append(f"{results.path / 'spec.resolved.json'} is gone")
        keys = sorted(set(results.prediction_keys.values()))
        files = [results.path / PREDICTIONS / f"{key}.json" for key in keys]
        lines += [f"{file} is gone" for file in files if not os.path.lexists(file)]
    lines += _problems(results, [()], ["spec.resolved.json"])
    runs: list[tuple[str, ...]] = [("runs", run.id) for run in results.runs if run.status in DONE]
    return (*lines, *_problems(results, runs, ["config.json", "env.json", "status.json"]))


def damaged_environments(results: Results) -> Iterator[tuple[Path, str]]:
    """Yield each finished run's ``env.json`` that is damaged, with what is wrong."""
    for run in results.runs:
        if run.status in DONE and (line := _problem(results, ("runs", run.id), "env.json", results.checked)):
            yield run.path / "env.json", line


def _problems(results: Results, folders: list[tuple[str, ...]], names: list[str]) -> list[str]:
    found = (_problem(results, folder, name, results.checked) for folder in folders for name in names)
    return [line for line in found if line is not None]


def _problem(results: Results, names: tuple[str, ...], name: str, checked: bool) -> str | None:
    """Return what is wrong with a document, None where nothing is."""
    path = results.path.joinpath(*names, name)
    try:
        with folder_below(results.path, *names) as folder:
            check = check_resolved if name == "spec.resolved.json" else None
            document = read_document(folder, name, check, checked=checked)
    except OSError as error:
        try:
            raise_for(error, path)
        except InitlabError as said:
            return str(said)
    except InitlabError as error:
        return str(error)
    if document is not None and names and document.get("id", names[-1]) != names[-1]:
        return str(Damaged(f"{path} is damaged: it is another run's"))
    return None
