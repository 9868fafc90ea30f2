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
from initlab.planning.requested import requested_spec
from initlab.predictions.size_range import parse_size_range
from initlab.spec.run import ModelSpec
from initlab.verdicts.statement import read_claims, read_gates

Reader = Callable[[bytes], object]

MEMORY = Path("/dev/shm")

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
