"""No command opens a file outside the folder that it was given, whatever lies in that folder.

An audit hook in every process of a command notes what is opened, made, moved and removed, each path as the system
would follow it. Twins name files outside on the command line, which is trusted: those the hook must see.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from initlab.data import shakespeare
from initlab.machine import profile
from tests.tiny import FLAGS
from tests.verdicts.planted import Planted, store

ROOT = Path(__file__).parents[1]
TEXT = "To be, or not to be, that is the question. " * 50
SPEC = '[data]\ncorpus = "{corpus}"\n[model]\nn_layer = 1\nn_head = 2\nn_embd = 16\nblock_size = 8\n'

HOOK = """
import os, sys, threading

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
          "os.chmod", "os.listdir", "os.scandir"}
OURS = (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), os.environ["ROOT"])  # code, read all the time
log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def followed(path, flags):
    path = os.fsdecode(path)
    if not flags & os.O_NOFOLLOW:
        return os.path.realpath(path)
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name) if folder else ""  # relative to a folder held open


def hook(event, details):
    if event not in EVENTS:
        return
    flags = details[2] if event == "open" and isinstance(details[2], int) else 0
    by_descriptor = event == "open" and details[1] is None
    writes = event not in ("open", "os.listdir", "os.scandir") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if not writes and os.fsdecode(details[0] if isinstance(details[0], (str, bytes)) else "").startswith(OURS):
        return
    if event != "open":
        flags = os.O_NOFOLLOW  # a link is renamed or removed itself
    for path in details[:2] if event in ("os.rename", "os.link") else details[:1]:
        if isinstance(path, (str, bytes, os.PathLike)):
            kind = "descriptor" if by_descriptor else event
            line = [str(threading.get_ident()), kind, "w" if writes else "r", followed(path, flags)]
            os.write(log, ("\\t".join(line).replace("\\n", "?") + "\\n").encode("utf-8", "surrogateescape"))


sys.addaudithook(hook)
"""

SEVERAL = """
import shlex, sys
from initlab.cli.main import app

for number, line in enumerate(sys.argv[1:]):
    sys.argv = ["initlab", *shlex.split(line)]
    try:
        app()
    except SystemExit as end:
        print(f"exit {end.code}: {line}", flush=True)
"""


@dataclass(frozen=True)
class Opened:
    """What the processes of a command opened, and what they said."""

    read: set[Path]
    written: set[Path]
    said: str

    def outside(self, folder: Path) -> set[Path]:
        """What was touched of a folder that is none of theirs."""
        return {path for path in self.read | self.written if path.is_relative_to(folder)}


def run(folder: Path, *commands: str, **env: str) -> Opened:
    """Run commands in ``folder / "work"``, one after the other, and return what all their processes opened."""
    site, log = folder / "site", folder / "opened"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(HOOK)
    log.unlink(missing_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    settings = {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "OPENED": str(log), "TMPDIR": str(folder / "tmp")}
    settings["ROOT"] = str(ROOT)
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb", "COLUMNS": "400", "INITLAB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", SEVERAL, *commands],
        cwd=folder / "work",
        env={**os.environ, **settings, **quiet, **env},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return _noted(log, done.stdout + done.stderr)


def _noted(log: Path, said: str) -> Opened:
    """Read the log; an open() with an opener of its own is the opener's, which may follow less."""
    lines = [line.split("\t") for line in log.read_text(errors="surrogateescape").splitlines()]
    touched: dict[str, set[Path]] = {"r": set(), "w": set()}
    for (thread, event, way, path), after in zip(lines, [*lines[1:], ["", "", "", ""]], strict=True):
        superseded = event == "open" and after[0] == thread and after[1] == "descriptor"
        if path and not superseded:
            touched[way].add(Path(path))
    return Opened(touched["r"], touched["w"], said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with ``work``, where commands are given, and ``outside``, which is not theirs."""
    for name in ("outside/bins", "work/corpus/deep", "work/bins", "work/linked", "work/own", "work/claimed"):
        (tmp_path / name).mkdir(parents=True)
    outside, work = tmp_path / "outside", tmp_path / "work"
    (outside / "secret.txt").write_text(TEXT)
    (outside / "sweep.toml").write_text(SPEC.format(corpus="synthetic"))
    (outside / "claims.toml").write_text('[[claim]]\nid = "a"\nmetric = "final_loss"\nmax = 1\n')
    for part in ("train.bin", "val.bin"):
        (outside / "bins" / part).write_bytes(b"\1\0\5\0" * 500)
        (work / "bins" / part).symlink_to(f"../../outside/bins/{part}")
    (work / "corpus" / "own.txt").write_text(TEXT)
    (work / "corpus" / "deep" / "leaves.txt").symlink_to("../../../outside/secret.txt")
    (work / "out").symlink_to("../outside")
    for name in ("linked", "claimed"):
        (work / name / "sweep.toml").symlink_to("../../outside/sweep.toml")
        (work / name / "claims.toml").symlink_to("../../outside/claims.toml")
        (work / name / "gates.toml").symlink_to("../../outside/claims.toml")
    (work / "claimed" / "sweep.toml").unlink()
    (work / "claimed" / "sweep.toml").write_text(SPEC.format(corpus="synthetic"))
    for number, corpus in enumerate((outside / "secret.txt", "../outside/secret.txt", "out/secret.txt", "corpus")):
        (work / f"spec{number}.toml").write_text(SPEC.format(corpus=corpus))
    (work / "gates.toml").write_text('baseline = "../outside"\n[[gate]]\nid = "a"\nmetric = "growth"\nmax = 9\n')
    (work / "w.st").symlink_to("../outside/secret.txt")
    return tmp_path


SMALL = "--n-layer 1 --n-head 2 --n-embd 16 --block-size 8"


def test_hostile_corpora_specs_and_caches(folder: Path) -> None:
    cache = folder / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        kept = [profile.cache_path(), shakespeare.cache_path()]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(folder / "outside" / "secret.txt")
    refused = [
        *(f"sweep spec{number}.toml --dry-run" for number in range(4)),
        "sweep linked --dry-run",
        f"sweep --dry-run {SMALL} --corpus corpus",
        f"sweep --dry-run {SMALL} --corpus bins",
        f"sweep --dry-run {SMALL} --corpus shakespeare",
        f"predict gpt2 {SMALL} --tokens corpus",
        "claims own linked",
        "gate own linked",
        "gate own gates.toml",
    ]
    opened = run(folder, *refused, f"sweep --dry-run {SMALL}", XDG_CACHE_HOME=str(cache))
    assert opened.said.count("exit 2: ") == len(refused), opened.said
    assert opened.said.count("exit 0: ") == 1, "a cache that is none is no mistake of the user's"
    assert "INITLAB_OFFLINE is set" in opened.said
    assert not opened.outside(folder / "outside")
    assert folder / "work" / "spec0.toml" in opened.read, "the hook sees what is opened"


def hostile_tree(folder: Path) -> list[str]:
    """Make a stored sweep whose files, one a run, are links that lead outside; return what they are called."""
    tree = folder / "work" / "tree"
    seeds: dict[int, float | str] = dict.fromkeys(range(5), 1.0)
    store(tree, [Planted(seeds)])
    names = ["summary.json", "metrics.jsonl", "layers.jsonl", "status.json", "log.txt"]
    for run, name in zip(sorted((tree / "runs").iterdir()), names, strict=True):
        (run / name).unlink()
        (run / name).symlink_to(folder / "outside" / "secret.txt")
    (tree / "report").symlink_to(folder / "outside")
    (tree / "spec.resolved.json").unlink()
    (tree / "spec.resolved.json").symlink_to(folder / "outside" / "secret.txt")
    return names


def test_a_hostile_results_tree(folder: Path) -> None:
    before = {path: path.read_bytes() for path in (folder / "outside").rglob("*") if path.is_file()}
    names = hostile_tree(folder)
    commands = [
        "status tree",
        "status tree --verify",
        "report tree",
        "claims tree claims.toml",
        "gate tree claims.toml",
    ]
    (folder / "work" / "claims.toml").write_text((folder / "outside" / "claims.toml").read_text())
    opened = run(folder, *commands)
    assert "Traceback" not in opened.said
    assert "exit 70" not in opened.said
    assert opened.said.count("exit ") == len(commands)
    assert names[0] in opened.said, "what is no file of the sweep's is named"
    assert not opened.outside(folder / "outside")
    assert {path: path.read_bytes() for path in (folder / "outside").rglob("*") if path.is_file()} == before


def test_training_and_checkpoints_write_where_they_are_told(folder: Path) -> None:
    work, secret = folder / "work", folder / "outside" / "secret.txt"
    opened = run(
        folder,
        f"sweep {' '.join(FLAGS)} --init gpt2 --jobs 1 -o trained",
        f"weights gpt2 {SMALL} --vocab-size 16 -o w.st --force",
        "sweep claimed --steps 1 --eval-batches 1 -o trained",
    )
    assert opened.said.count("exit 0: ") == 2, opened.said
    assert "claims.toml is a link to" in opened.said
    assert not opened.outside(folder / "outside")
    assert any(path.name == "layers.jsonl" for path in opened.written), "workers are watched too"
    kept = [Path(os.environ["XDG_CACHE_HOME"]), Path(os.environ.get("MPLCONFIGDIR", os.devnull)), folder / "tmp"]
    allowed = [work / "trained", work / "w.st", *kept, Path(os.devnull)]
    strays = {path for path in opened.written if not any(path.is_relative_to(one) for one in allowed)}
    assert not {path for path in strays if not path.name.startswith(".w.st.")}
    assert secret.read_text() == TEXT
    assert not (work / "w.st").is_symlink(), "the link is replaced, not what it points to"


def test_what_the_command_line_names_is_opened(folder: Path) -> None:
    """The twin of all above: were a file outside opened, it would be seen."""
    opened = run(folder, f"predict gpt2 {SMALL} --tokens ../outside/secret.txt", "sweep out --dry-run")
    assert opened.said.count("exit 0: ") == 2, opened.said
    assert opened.outside(folder / "outside") == {folder / "outside" / name for name in ("secret.txt", "sweep.toml")}
