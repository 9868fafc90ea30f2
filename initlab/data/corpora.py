"""From a name or a path to a corpus. Names come first: ``./synthetic`` means a file of that name.

>>> load_corpus("synthetic"), load_corpus("notes.txt", "char"), load_corpus("data/openwebtext")

A corpus gets a name by registering the function that loads it::

    @corpus("limericks", summary="five lines each")
    def limericks(tokenizer: str | None) -> Corpus:
        return text_corpus("limericks", [Piece("limericks.txt", PATH.read_bytes())], tokenizer)
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from initlab.data.corpus import Corpus, split_90_10
from initlab.data.nanogpt_bin import bin_corpus, bin_files, bin_folder
from initlab.data.shakespeare import read_shakespeare
from initlab.data.stdlib import stdlib_pieces
from initlab.data.synthetic import ALPHABET, Source
from initlab.data.text import Piece, files_below, read_folder, text_corpus
from initlab.errors import InitlabError, did_you_mean
from initlab.files.limits import CORPUS_BYTES
from initlab.files.untrusted import named_path, read_untrusted
from initlab.plugins.registry import Registry

SYNTHETIC_TOKENS = 1_200_000
SYNTHETIC_SEED = 0
"""Of the text itself. The seed of a run only picks windows."""

Load: TypeAlias = Callable[[str | None], Corpus]
"""Takes a tokenizer's name, or None where the user named none; raises InitlabError for one that it has no use for."""


@dataclass(frozen=True, kw_only=True)
class CorpusEntry:
    """A corpus by name: how to load it, and a line for `initlab list corpora`.

    Its code is no part of a run's identity: the hash of the tokens that it loads is.
    """

    load: Load
    summary: str


CORPORA: Registry[CorpusEntry] = Registry("corpus", code=lambda entry: entry.load, entry_points="initlab.corpora")


def corpus(name: str, *, summary: str) -> Callable[[Load], Load]:
    """Register a function that loads a corpus: the name loads it where a sweep is planned and where it trains.

    Raises InitlabError for a name that would be taken for a path, and for one that is taken.
    """
    if _looks_like_path(name):
        raise InitlabError(f"a corpus cannot be named {name!r}, which means a file; use no dot or slash")

    def decorate(load: Load) -> Load:
        CORPORA.add(name, CorpusEntry(load=load, summary=summary))
        return load

    return decorate


def load_corpus(name: str, tokenizer: str | None = None) -> Corpus:
    """Load a corpus by name, or a text file, a folder of texts, a nanoGPT folder or train.bin by path.

    The same arguments give the same object until a file changes. Raises InitlabError for whatever is wrong.
    """
    if is_corpus_name(name):
        return _load_named(CORPORA.canonical(name), CORPORA.get(name), tokenizer)
    path = named_path(name, "corpus")
    try:
        if not path.exists():
            raise _not_found(name)
        path = path.resolve()
        return _load_path(path, tokenizer, _stamps(path))
    except OSError as error:
        raise InitlabError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def is_corpus_name(text: str) -> bool:
    """Return whether a text names a registered corpus; anything else is a path."""
    return not _looks_like_path(text) and text in CORPORA


@lru_cache(maxsize=8)
def _load_named(name: str, entry: CorpusEntry, tokenizer: str | None) -> Corpus:
    with CORPORA.blame(name, entry):
        loaded = entry.load(tokenizer)
    if not isinstance(loaded, Corpus):
        raise InitlabError(f"corpus {name!r} loads a {type(loaded).__name__}, not a Corpus")
    return loaded


@lru_cache(maxsize=8)
def _load_path(path: Path, tokenizer: str | None, stamps: tuple[tuple[str, int, int], ...]) -> Corpus:
    del stamps  # part of the cache's key alone: a file that changed is read anew
    folder = bin_folder(path)
    if folder is not None:
        return bin_corpus(folder, tokenizer)
    if path.is_dir():
        return text_corpus(path.name, read_folder(path), tokenizer)
    return text_corpus(path.name, [Piece(str(path), read_untrusted(path, "text", CORPUS_BYTES))], tokenizer)


def _stamps(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return (name, mtime in ns, size) of every file the corpus at a path is read from."""
    folder = bin_folder(path)
    if folder is not None:
        files = bin_files(folder)
    elif path.is_dir():
        files = files_below(path)
    elif path.is_file():
        files = [path]
    else:
        raise InitlabError(f"{path}: neither a file nor a folder")
    stats = [(str(file), file.stat()) for file in files]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def _looks_like_path(text: str) -> bool:
    return "\0" in text or bool(Path(text).suffix) or "/" in text or os.sep in text


def _not_found(text: str) -> InitlabError:
    if _looks_like_path(text):
        return InitlabError(f"corpus {text!r}: no such file or folder")
    return InitlabError(f"no corpus and no file is named {text!r}{did_you_mean(text, CORPORA.names())}")


@corpus("synthetic", summary="64 symbols, local structure and copies; its best reachable loss is exact")
def _synthetic(tokenizer: str | None) -> Corpus:
    if tokenizer is not None:
        raise InitlabError(
            f"corpus 'synthetic' is made of symbols: tokenizer = {tokenizer!r} has nothing to do; leave it out"
        )
    source = Source()
    return Corpus.of(
        "synthetic",
        split_90_10(source.generate(SYNTHETIC_TOKENS, seed=SYNTHETIC_SEED)),
        tokenizer="symbol",
        vocab_size=source.vocab_size,
        vocabulary=ALPHABET,
        entropy_rate=source.entropy_rate,
        floor_of=source.floor,
    )


@corpus("stdlib", summary="the standard-library sources of the running Python, as bytes")
def _stdlib(tokenizer: str | None) -> Corpus:
    return text_corpus("stdlib", stdlib_pieces(), tokenizer)


@corpus("shakespeare", summary="tiny Shakespeare, 1.1 MB, downloaded once and cached")
def _shakespeare(tokenizer: str | None) -> Corpus:
    return text_corpus("shakespeare", [Piece("tiny Shakespeare", read_shakespeare())], tokenizer)
