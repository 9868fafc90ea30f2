"""Where what disagrees with what was stored is put: never deleted, and out of the way of what takes its place."""

import os
from pathlib import Path

from initlab.errors import InitlabError
from initlab.files.atomic import write_text
from initlab.files.below import make_folder
from initlab.files.system_errors import explain_os_error
from initlab.results.run_folder import STATUS, owned
from initlab.store.run_reading import LOCK

QUARANTINE = "quarantine"


def set_run_aside(sweep: Path, run_id: str, reason: str) -> Path | None:
    """Move all of a run into the sweep's quarantine, and return where it is; None while somebody trains it.

    Raises InitlabError where it cannot be moved.
    """
    run = sweep / "runs" / run_id
    if run.is_symlink() or not run.is_dir():
        return set_aside(sweep, run, reason) if os.path.lexists(run) else None
    with owned(run) as mine:
        if not mine:
            return None
        moved = set_aside(sweep, run, reason)
        (moved / LOCK).unlink(missing_ok=True)
        return moved


def set_status_aside(sweep: Path, run_id: str, reason: str) -> None:
    """Move a run's ``status.json``, which is no part of its result, into the sweep's quarantine."""
    set_aside(sweep, sweep / "runs" / run_id / STATUS, reason)


def set_aside(sweep: Path, path: Path, reason: str) -> Path:
    """Move a file or folder of a sweep into its quarantine, with the reason beside it, and return where it is."""
    try:
        folder = make_folder(sweep, QUARANTINE)
        number = 1
        while os.path.lexists(moved := folder / f"{path.name}-{number}"):
            number += 1
        path.rename(moved)
        write_text(folder / f"{moved.name}.reason.txt", f"{reason}\n", durable=False)
    except OSError as error:
        raise InitlabError(f"{path} cannot be moved into {sweep / QUARANTINE}: {explain_os_error(error)}") from error
    return moved
