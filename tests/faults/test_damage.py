"""Whatever is wrong with a stored file: nothing accepted, nothing deleted, and the next sweep repairs it."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from initlab.api.judging import claims
from initlab.api.run_view import show
from initlab.api.sweeping import status
from initlab.errors import InitlabError
from initlab.launchers.task import Task
from initlab.launchers.train import train_task
from initlab.machine.execution import Execution
from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan
from initlab.results.reading import load_results
from initlab.running import _prepare, _sound, _store_again, task_of
from tests.faults.damage import KINDS
from tests.tiny import stored_bytes, tiny_sweep, tiny_task

pytestmark = pytest.mark.usefixtures("one_thread")

AXES: dict[str, list[object]] = {"seed": [0, 1]}
CLAIM = '[[claim]]\nid = "loss"\nmetric = "final_loss"\nmin = 0.0\n'
FILES = ("sweep.json", "spec.resolved.json", "prediction", "summary", "metrics", "layers", "config", "status", "env")
RESULT = {"summary": "summary.json", "metrics": "metrics.jsonl", "layers": "layers.jsonl", "config": "config.json"}
CASES = [(file, kind) for file in FILES for kind in KINDS]
SHORT = random.Random(14).sample(CASES, 45)
"""The default suite has these; ``pytest -m slow`` and ``make torture`` all."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    train_task(tiny_task(folder, AXES), lambda step, steps: None)
    (folder / "claims.toml").write_text(CLAIM)
    return folder


def file_of(folder: Path, file: str) -> Path:
    if file == "prediction":
        return next((folder / "predictions").iterdir())
    if file.endswith(".json"):
        return folder / file
    return next(path for path in sorted((folder / "runs").iterdir())[0].iterdir() if path.stem == file)


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


def faults(whole: Path, folder: Path, file: str, kind: str) -> list[str]:
    """Damage one file and say what went wrong with what read it, and with the sweep after it."""
    shutil.copytree(whole, folder)
    path, right = file_of(folder, file), stored_bytes(whole)
    run = sorted((folder / "runs").iterdir())[0].name
    content = path.read_bytes()
    KINDS[kind](path, content, random.Random(f"{file} {kind}"))
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return []  # this kind of file cannot be damaged so
    before, found = all_files(folder), []
    said = dict(said_by(folder, run))
    if not any(path.name in words for words in said.values()) and not (kind == "gone" and file in ("status", "env")):
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
    if stored_bytes(folder) != right:
        found.append("the sweep after it ended otherwise")
    kept = all_files(folder)
    found += ["something was deleted"] if path.is_symlink() or lost(before, kept, file) else []
    return found


def lost(before: list[bytes], kept: list[bytes], file: str) -> bool:
    """Whether a content is nowhere any more; what a sweep writes anew (its plan, a status, a log) may be."""
    return file in RESULT and not set(before) - {
        content for content in before if b'"schema_version"' in content
    } <= set(kept)


def repair(folder: Path) -> None:
    """Do what two sweeps in a row do, with the training in this process."""
    for _ in range(2):
        plan: Plan = tiny_sweep(folder, AXES)
        if plan.missing:
            _prepare(plan)
            train_task(missing_task(plan), lambda step, steps: None)
        else:
            _store_again(plan)
        _sound(load_results(folder))


def missing_task(plan: Plan) -> Task:
    return task_of(plan, LaneGroup(plan.missing), Execution())


@pytest.mark.parametrize(("file", "kind"), SHORT)
def test_a_damaged_file(file: str, kind: str, whole: Path, tmp_path: Path) -> None:
    assert faults(whole, tmp_path / "a" / "b" / "sweep", file, kind) == []


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kind"), [case for case in CASES if case not in SHORT])
def test_every_other_damaged_file(file: str, kind: str, whole: Path, tmp_path: Path) -> None:
    assert faults(whole, tmp_path / "a" / "b" / "sweep", file, kind) == []


def test_there_are_forty_kinds() -> None:
    assert len(KINDS) >= 40
