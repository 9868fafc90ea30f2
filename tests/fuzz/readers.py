"""What reads something of somebody else's, each as a function of the bytes or the text: it returns, or raises
InitlabError. Anything else is a bug."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from initlab.api.axes import flag_value
from initlab.cli.fields import axes_from_flags, parse_base, parse_seeds, parse_sizes, parse_values
from initlab.data.corpora import load_corpus
from initlab.data.nanogpt_bin import vocab_size_in
from initlab.data.text import Piece, text_corpus
from initlab.errors import InitlabError
from initlab.files.escaping import UNSAFE, csv_cell, html, markdown, visible
from initlab.files.json import read_json, read_lines
from initlab.inits.catalogue import resolve
from initlab.machine.execution import Execution
from initlab.machine.profile import MachineProfile
from initlab.optimizers.rules import resolve as resolve_optimizer
from initlab.planning.execution_plan import ExecutionPlan
from initlab.planning.expand import expand
from initlab.planning.plan import EarlierPlan
from initlab.planning.requested import requested_spec
from initlab.predictions.size_range import parse_size_range
from initlab.results.folder import SweepFolder
from initlab.results.reading import load_results
from initlab.spec.run import ModelSpec
from initlab.store.stored import write_document
from initlab.verdicts.statement import read_claims, read_gates

Reader = Callable[[bytes], object]

MEMORY = Path("/dev/shm")

STORED = ("sweep.json", "spec.resolved.json", "summary.json", "status.json", "config.json", "metrics.jsonl")
"""Files of a sweep's folder."""

MOST_POINTS = 20
"""Runs of a spec that are expanded while fuzzing: a thousand are as good as twenty, and slower."""


@cache
def _folder() -> Path:
    """Return a folder of this process, in memory where there is one: a file in it is written over and over."""
    folder = Path(tempfile.mkdtemp(prefix="initlab-fuzz-", dir=MEMORY if MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["XDG_CACHE_HOME"] = str(folder)
    os.environ["INITLAB_OFFLINE"] = "1"
    os.environ["INITLAB_MAX_RUNS"] = str(MOST_POINTS)
    return folder


def _file(content: bytes, name: str) -> Path:
    path = _folder() / name
    path.write_bytes(content)
    return path


def spec(content: bytes) -> object:
    """Plan a spec file's runs."""
    return [run.id for run in expand(requested_spec(_file(content, "sweep.toml")))]


def claims(content: bytes) -> object:
    return read_claims(_file(content, "claims.toml"))


def gates(content: bytes) -> object:
    return read_gates(_file(content, "gates.toml"))


def meta(content: bytes) -> object:
    return vocab_size_in(content, "meta.pkl")


def text(content: bytes) -> object:
    """Tokenize a text both ways."""
    text_corpus("fuzz", [Piece("fuzz", content)], "byte")
    return text_corpus("fuzz", [Piece("fuzz", content)], "char")


def ids(content: bytes) -> object:
    """Open a pair of .bin files; the first byte says where one ends and the other begins."""
    folder = _folder() / "bins"
    folder.mkdir(exist_ok=True)
    border = 1 + 2 * (content[0] if content else 0)
    (folder / "train.bin").write_bytes(content[1:border])
    (folder / "val.bin").write_bytes(content[border:])
    return load_corpus(str(folder))


def document(content: bytes) -> object:
    """Read a stored document, and what two of the readers make of one."""
    found = read_json(_file(content, "document.json"))
    return MachineProfile.from_json(found), ExecutionPlan.from_json(found), _execution(found)


def _execution(found: object) -> object:
    """Return an execution where there is one; its reader says by KeyError and TypeError that there is none."""
    try:
        return Execution.from_json(found)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        return None


def rows(content: bytes) -> object:
    return read_lines(_file(content, "rows.jsonl"))


def machine(content: bytes) -> object:
    """Read a machine's measurement as the cache does."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return MachineProfile.from_json(found)


@cache
def stored_tree() -> Path:
    """Return a stored sweep of two runs, made once a process."""
    from tests.verdicts.planted import Planted, store  # with half of initlab

    return store(_folder() / "stored", [Planted({0: 1.0}), Planted({0: 1.2}, init="xavier")]).path


@cache
def stored_file(name: str) -> tuple[Path, bytes]:
    """Return a file of the stored sweep and what it held at first."""
    path = next(stored_tree().rglob(name))
    return path, path.read_bytes()


def _signed(content: bytes, path: Path) -> None:
    """Write a document with a right checksum, as somebody who means harm does; other content as it is."""
    try:
        document = json.loads(content)
        write_document(path, document, durable=False)
    except (ValueError, RecursionError, TypeError, AttributeError):
        path.write_bytes(content)


def _stored(name: str) -> Reader:
    """Return the reader of a sweep whose file of this name is somebody else's."""

    def reader(content: bytes) -> object:
        path, first = stored_file(name)
        _signed(content, path)
        try:
            return _everything_of(stored_tree())
        finally:
            path.write_bytes(first)

    return reader


def _everything_of(tree: Path) -> object:
    from initlab.reporting.analysis import analyse  # with pandas
    from initlab.reporting.render.markdown import render
    from initlab.reporting.views.downloads import csv_texts

    results = load_results(tree)
    described = [results.describe(), results.spec_text, results.laws, results.execution, results.predictions]
    said = [run.state.status for run in results.runs], results.problems, results.env, results.axes
    earlier = EarlierPlan.read(SweepFolder(tree))
    analysis = analyse(results)
    return results.document(), described, said, earlier, render(analysis), csv_texts(analysis)


def _of_text(read: Callable[[str], object]) -> Reader:
    def reader(content: bytes) -> object:
        return read(content.decode("utf-8", "surrogateescape"))

    return reader


def _escaped(text: str) -> None:
    shown = [visible(text), markdown(text), html(text), str(csv_cell(text))]
    assert not any(UNSAFE.search(one) for one in shown)
    assert not html(text).count("<")


BYTES: dict[str, Reader] = {
    "spec": spec,
    "claims": claims,
    "gates": gates,
    "meta.pkl": meta,
    "text": text,
    "ids": ids,
    "document": document,
    "rows": rows,
    "machine": machine,
    **{name: _stored(name) for name in STORED},
}

TEXTS: dict[str, Reader] = {
    "init": _of_text(resolve),
    "optimizer": _of_text(resolve_optimizer),
    "seeds": _of_text(parse_seeds),
    "flag": _of_text(flag_value),
    "base": _of_text(parse_base),
    "target": _of_text(lambda text: parse_sizes("--target", text)),
    "over": _of_text(lambda text: parse_size_range(text, ModelSpec())),
    "inits": _of_text(lambda text: parse_values("init", text)),
    "numbers": _of_text(lambda text: parse_values("train.lr", text)),
    "set": _of_text(lambda text: axes_from_flags({}, None, None, None, [text])),
    "corpus": _of_text(load_corpus),
    "shown": _of_text(_escaped),
}

READERS: dict[str, Reader] = {**BYTES, **TEXTS}


def outcome(name: str, content: bytes) -> str:
    """Return ``read`` or ``refused``; raises whatever else comes of it."""
    _folder()
    try:
        READERS[name](content)
    except InitlabError as error:
        if not str(error).strip():
            raise AssertionError("a refusal that does not say why") from error
        return "refused"
    return "read"
