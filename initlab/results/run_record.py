"""All that is stored of one run: config, laws, result, rows, log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError, did_you_mean
from initlab.files.below import folder_below
from initlab.results.cells import Cell, Run
from initlab.results.reading import Results, load_results
from initlab.store.lock import holder
from initlab.store.run_reading import LOCK, attempt_name

MOST_LOG_LINES = 200


@dataclass(frozen=True)
class RunRecord:
    """One run of a stored sweep, with its cell and sweep, and the last lines of its log."""

    run: Run
    cell: Cell
    results: Results
    log: tuple[str, ...]

    @property
    def laws(self) -> dict[str, Any] | None:
        """The laws of its network, None where they were not stored; raises Damaged and Unreadable."""
        laws: dict[str, Any] | None = self.results.laws.get(str(self.run.config.get("laws")))
        return laws


def find_run(named: str, root: Path) -> RunRecord:
    """Return the run that a path or an id means: ``results/x/runs/ID``, or the beginning of one id below ``root``.

    Raises InitlabError where no run is named so, or more than one.
    """
    path = Path(named)
    if path.parent.name == "runs":
        return _record(load_results(path.parent.parent), path.name)
    sweeps = [path.parent] if len(path.parts) > 1 else sorted(file.parent for file in root.glob("*/sweep.json"))
    found, known = [], set[str]()
    for sweep in sweeps:
        results = load_results(sweep)
        known |= {run.id for run in results.runs}
        found += [(results, run.id) for run in {run.id: run for run in results.runs}.values() if _is(run, path.name)]
    if len(found) == 1:
        return _record(*found[0])
    if found:
        places = ", ".join(str(results.path / "runs" / run) for results, run in found[:4])
        raise InitlabError(f"{named!r} names {len(found)} runs: {places}")
    raise InitlabError(
        f"no run {named!r} below {', '.join(map(str, sweeps)) or root}{did_you_mean(path.name, known)}"
    )


def _is(run: Run, name: str) -> bool:
    return bool(name) and run.id.startswith(name)


def _record(results: Results, run_id: str) -> RunRecord:
    runs = {run.id: run for run in results.runs}
    if run_id not in runs:
        raise InitlabError(f"{results.name} has no run {run_id!r}{did_you_mean(run_id, runs)}")
    run = runs[run_id]
    return RunRecord(run, results.cells[run.cell_index], results, tuple(_log(run.path)))


def _log(path: Path) -> list[str]:
    """Return the last lines that were logged, of the attempt under way where there is one."""
    try:
        held = holder(path / LOCK)
        names = [] if held is None else [attempt_name(held.token)]
        with folder_below(path.parent.parent, path.parent.name, path.name, *names) as folder:
            text = folder.read("log.txt").decode("utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()[-MOST_LOG_LINES:]
