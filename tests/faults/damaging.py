"""One stored file of a sweep is damaged, every reader reads it, and the next sweep repairs it."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from initlab.api.judging import claims
from initlab.api.run_view import show
from initlab.api.sweeping import status
from initlab.errors import InitlabError
from initlab.launchers.train import train_task
from initlab.machine.execution import Execution
from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan
from initlab.results.reading import load_results
from initlab.running import _prepare, _sound, _store_again, task_of
from tests.cli.run import initlab
from tests.faults.damage import KINDS
from tests.tiny import FLAGS, stored_bytes, tiny_sweep

AXES: dict[str, list[object]] = {"seed": [0, 1]}
CLAIM = '[[claim]]\nid = "loss"\nmetric = "final_loss"\nmin = 0.0\n'
FILES = ("sweep.json", "spec.resolved.json", "prediction", "summary", "metrics", "layers", "config", "status", "env")
RESULT = {"summary": "summary.json", "metrics": "metrics.jsonl", "layers": "layers.jsonl", "config": "config.json"}
CASES = [(file, kind) for file in FILES for kind in KINDS]
COMMANDED = random.Random(41).sample(CASES, 24)
"""What the commands are shown: a fixed sample, since each start of one takes a second."""
COMMANDS = (["status"], ["status", "--verify"], ["report"], ["claims"], ["prune", "--dry-run"])


def whole_sweep(folder: Path) -> Path:
    """Train the sweep that is damaged, and return its folder."""
    repair(folder)
    (folder / "claims.toml").write_text(CLAIM)
    return folder


def file_of(folder: Path, file: str) -> Path:
    if file == "prediction":
        return next((folder / "predictions").iterdir())
    if file.endswith(".json"):
        return folder / file
    return next(path for path in sorted((folder / "runs").iterdir())[0].iterdir() if path.stem == file)


def inflicted(whole: Path, folder: Path, file: str, kind: str) -> Path | None:
    """Damage one file of a copy of a sweep; None where this kind of file cannot be damaged so."""
    shutil.copytree(whole, folder)
    path = file_of(folder, file)
    content = path.read_bytes()
    KINDS[kind](path, content, random.Random(f"{file} {kind}"))
    return None if path.is_file() and not path.is_symlink() and path.read_bytes() == content else path


def damaged(whole: Path, folder: Path, file: str, kind: str) -> list[str]:
    """Damage one file and say what went wrong with what read it, and with the sweep after it."""
    path = inflicted(whole, folder, file, kind)
    if path is None:
        return []
    before, found = all_files(folder), []
    run = sorted((folder / "runs").iterdir())[0].name
    said = dict(said_by(folder, run))
    if not any(path.name in words for words in said.values()) and not may_go(file, kind):
        found.append(f"nobody names {path.name}")
    if file in RESULT:
        accepted = [name for name in ("frames", "claims") if path.name not in said[name]]
        found += [f"{name} accepted it" for name in accepted]
    if all_files(folder) != before:
        found.append("a reader changed the folder")
    try:
        repair(folder)
    except InitlabError as error:
        newer = "upgrade initlab" in str(error)
        return [*found, *([] if newer else [f"the next sweep: {error}"])]
    return [*found, *unrepaired(whole, folder, file, path, before)]


def may_go(file: str, kind: str) -> bool:
    """Whether nobody has to miss the file: what is no part of a result may be gone."""
    return kind == "gone" and file in ("status", "env")


def unrepaired(whole: Path, folder: Path, file: str, path: Path, before: list[bytes]) -> list[str]:
    """Say what a sweep after the damage has not made good, or has deleted."""
    found = [] if stored_bytes(folder) == stored_bytes(whole) else ["the sweep after it ended otherwise"]
    deleted = path.is_symlink() or lost(before, all_files(folder), file)
    return [*found, *(["something was deleted"] if deleted else [])]


def commanded(whole: Path, folder: Path, file: str, kind: str) -> list[str]:
    """Damage one file, have the commands read it, and give the sweep's own command twice."""
    path = inflicted(whole, folder, file, kind)
    if path is None:
        return []
    before, found, words = all_files(folder), [], ""
    for command in COMMANDS:
        done = initlab(command[0], str(folder), *command[1:])
        words += done.out + done.err
        found += [f"{command}: a traceback"] if "Traceback" in done.err else []
        found += [f"{command}: exit {done.code}"] if done.code not in (0, 2, 3) else []
    found += [] if path.name in words or may_go(file, kind) else [f"nobody names {path.name}"]
    for _ in range(2):
        done = initlab("sweep", *FLAGS, "--init", "gpt2", "--seeds", "2", "--jobs", "1", "-o", str(folder))
        found += ["sweep: a traceback"] if "Traceback" in done.err else []
        if done.code == 2 and "upgrade initlab" in done.err:
            return found
        found += [f"sweep: exit {done.code}: {done.err[-300:]}"] if done.code else []
    return [*found, *unrepaired(whole, folder, file, path, before)]


def said_by(folder: Path, run: str) -> Iterator[tuple[str, str]]:
    """Yield what every reader says of the sweep: its own words, or its error's."""

    def frames() -> object:
        results = load_results(folder)
        return results.problems, results.counts, len(results.frames.layers), results.laws and "laws"

    readers = {
        "status": lambda: status(folder).describe(),
        "status --verify": lambda: status(folder, verify=True).describe(),
        "frames": frames,
        "claims": lambda: (claims(folder).describe(), claims(folder).notes),
        "show": lambda: show(folder / "runs" / run).describe(),
    }
    for name, read in readers.items():
        try:
            yield name, str(read())
        except InitlabError as error:
            yield name, f"error: {error}"


def all_files(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def lost(before: list[bytes], kept: list[bytes], file: str) -> bool:
    """Whether a content is nowhere any more; what a sweep writes anew (its plan, a status, a log) may be."""
    anew = {content for content in before if b'"schema_version"' in content}
    return file in RESULT and not set(before) - anew <= set(kept)


def repair(folder: Path) -> None:
    """Do what two sweeps in a row do, with the training in this process."""
    for _ in range(2):
        plan: Plan = tiny_sweep(folder, AXES)
        if plan.missing:
            _prepare(plan)
            train_task(task_of(plan, LaneGroup(plan.missing), Execution()), lambda step, steps: None)
        else:
            _store_again(plan)
        _sound(load_results(folder))
