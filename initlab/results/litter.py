"""What killed processes leave in a sweep's folder: temporary files, locks and attempts of runs that have a result."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from initlab.results.run_folder import SUMMARY, owned
from initlab.store.lock import is_held
from initlab.store.owner import process_lives
from initlab.store.run_reading import LOCK

_TEMPORARY = re.compile(r"\..+\.(\d+)-[0-9a-f]{8}")
"""``.NAME.PID-RANDOM``, as ``files.atomic`` names them. The folder may hold a user's own: ``.notes.2024`` stays."""


def clear_litter(sweep: Path) -> None:
    """Remove what nobody will need again; whatever a living process may be using stays."""
    for folder in (sweep, sweep / "predictions", sweep / "report", sweep / "report" / "figures"):
        for entry in _entries(folder):
            match = _TEMPORARY.fullmatch(entry.name)
            if match and entry.is_file(follow_symlinks=False) and not process_lives(int(match[1])):
                _unlink(entry.path)
    for entry in _entries(sweep / "runs"):
        if entry.is_dir(follow_symlinks=False):
            _clear_run(Path(entry.path))


def _clear_run(run: Path) -> None:
    names = [entry.name for entry in _entries(run)]
    litter = [name for name in names if name.startswith((".", "attempt-"))]
    if not litter or SUMMARY not in names:  # without a result, whoever trains it clears it
        return
    with suppress(OSError):
        if is_held(run / LOCK):
            return
    with owned(run) as mine:
        for name in litter if mine else ():
            if name.startswith("attempt-"):
                shutil.rmtree(run / name, ignore_errors=True)
            elif name != LOCK:
                _unlink(run / name)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Yield what lies in a folder, nothing where it is a link or cannot be read."""
    if folder.is_symlink() and folder.name in ("runs", "predictions", "report", "figures"):
        return
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError:
        return


def _unlink(path: str | Path) -> None:
    with suppress(OSError):
        Path(path).unlink()
