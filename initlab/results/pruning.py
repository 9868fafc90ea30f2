"""What a sweep's folder holds that no plan asks for: runs of earlier plans, and what was put into quarantine."""

import os
import shutil
import stat
from pathlib import Path

from initlab.errors import InitlabError
from initlab.files.system_errors import explain_os_error
from initlab.results.quarantine import QUARANTINE
from initlab.results.reading import Results
from initlab.store.lock import is_held
from initlab.store.run_reading import LOCK


def prunable(results: Results) -> list[Path]:
    """Return the folders of orphaned runs that nobody trains, and the quarantine, where there are some.

    Raises InitlabError where the folder cannot be read.
    """
    planned, runs = {run.id for run in results.runs}, results.path / "runs"
    try:
        orphans = [] if runs.is_symlink() or not runs.is_dir() else sorted(runs.iterdir())
        found = [path for path in orphans if path.name not in planned and not _in_use(path)]
        quarantine = results.path / QUARANTINE
        return [*found, *([quarantine] if os.path.lexists(quarantine) else [])]
    except OSError as error:
        raise InitlabError(f"{results.path} cannot be read: {explain_os_error(error)}") from error


def remove(path: Path) -> None:
    """Remove a folder with all it holds, a file or a link, following none; raises InitlabError where that fails."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise InitlabError(f"{path} cannot be removed: {explain_os_error(error)}") from error


def size_of(path: Path) -> int:
    """Return the bytes of the plain files below a path, following no link."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_size for file in files)


def _in_use(run: Path) -> bool:
    return run.is_dir() and not run.is_symlink() and is_held(run / LOCK)
