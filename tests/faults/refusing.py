"""A life, and readings of a sweep, in which the system refuses one call, or all from one on."""

import errno
import os
from pathlib import Path

from initlab.api.sweeping import status
from initlab.errors import InitlabError
from initlab.results.litter import clear_litter
from initlab.results.reading import load_results
from initlab.results.run_folder import StorageError
from tests.faults.injected import refused_reads, refused_writes
from tests.faults.lives import bury, litter, live, run_path, stored, wrong


def write_calls(sweep: Path) -> int:
    """Return how many calls write in a life."""
    with refused_writes(errno.ENOSPC, None) as refuse:
        live(sweep)
    return refuse.calls


def refused_write(sweep: Path, number: int, at: int, lasting: bool, right: dict[str, bytes]) -> list[str]:
    """Refuse one call of a run's life; return what is wrong then, or once the same is tried again."""
    faults = []
    try:
        with refused_writes(number, at, lasting=lasting):
            live(sweep)
    except StorageError:
        pass
    except Exception as error:
        faults.append(f"raised {type(error).__name__}: {error}")
    if run_path(sweep).is_dir() and (found := wrong(sweep, right)):
        faults.append(found)
    bury(sweep)
    live(sweep)
    clear_litter(sweep)  # as the next sweep would, of a run that was finished before
    if stored(sweep) != right:
        faults.append("the next attempt ended otherwise")
    if left := litter(sweep):
        faults.append(f"left {left}")
    return [f"{errno.errorcode[number]} at call {at}{' on' * lasting}: {fault}" for fault in faults]


def read_calls(sweep: Path) -> int:
    """Return how many calls read where a whole sweep is read and verified."""
    with refused_reads(errno.EIO, None, sweep) as refuse:
        _read(sweep)
    return refuse.calls


def refused_read(whole: Path, number: int, at: int) -> list[str]:
    """Refuse one call of a reading of a finished sweep: it is named, nothing is missing, nothing touched."""
    before = _files(whole)
    faults = []
    try:
        with refused_reads(number, at, whole):
            said, missing = _read(whole)
    except InitlabError as error:
        said, missing = str(error), 0
    except Exception as error:
        return [f"raised {type(error).__name__}: {error}"]
    faults += [] if os.strerror(number) in said else [f"nobody said so: {said[-200:]}"]
    faults += ["a run that is there counts as missing"] if missing else []
    return [*faults, *([] if _files(whole) == before else ["a reader changed the folder"])]


def _read(sweep: Path) -> tuple[str, int]:
    """Return all that is said of a sweep, and how many of its runs are said to be missing or to have no result."""
    results = load_results(sweep)
    counts = results.counts
    lost = sum(counts[state] for state in ("missing", "failed", "interrupted"))
    lines = [*status(results, verify=True).problems, str(results.laws)[:0]]
    for run in results.runs:
        lines += [] if run.config or not run.done else [f"{run.id}: no config"]
    return "\n".join(lines), lost


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
