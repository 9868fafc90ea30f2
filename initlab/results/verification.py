"""What of a sweep's folder is not what was stored, beside its results: for ``initlab status --verify``."""

from initlab.errors import InitlabError
from initlab.files.below import folder_below
from initlab.results.folder import SweepFolder
from initlab.results.reading import Results
from initlab.store.run_state import DONE
from initlab.store.stored import Damaged, Unreadable, raise_for, read_document

BESIDE = ("config.json", "env.json", "status.json")


def damaged_beside_results(results: Results) -> tuple[str, ...]:
    """Return a line for each document that no result depends on and that is damaged or cannot be read."""
    found = []
    try:
        SweepFolder(results.path).resolved()
    except InitlabError as error:
        found.append(str(error))
    for run in results.runs:
        if run.status in DONE:
            found += [line for name in BESIDE if (line := _problem(results, run.id, name))]
    return tuple(found)


def _problem(results: Results, run: str, name: str) -> str | None:
    path = results.path / "runs" / run
    try:
        with folder_below(results.path, "runs", run) as folder:
            try:
                read_document(folder, name)
            except OSError as error:
                raise_for(error, path / name)
    except (Damaged, Unreadable) as error:
        return str(error)
    return None
