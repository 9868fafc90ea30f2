"""From a name or a path to a corpus. Names come first: ``./synthetic`` means a file of that name.

>>> load_corpus("synthetic"), load_corpus("notes.txt", "char"), load_corpus("data/openwebtext")
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from initlab.data.corpus import Corpus, split_90_10
from initlab.data.nanogpt import bin_corpus, bin_files, bin_folder
from initlab.data.shakespeare import read_shakespeare
from initlab.data.stdlib import stdlib_pieces
from initlab.data.synthetic import ALPHABET, Source
from initlab.data.text import Piece, files_below, read_folder, text_corpus
from initlab.errors import InitlabError, did_you_mean

SYNTHETIC_TOKENS = 1_200_000
SYNTHETIC_SEED = 0
"""Of the text itself. The seed of a run only picks windows."""


class Named(NamedTuple):
    """A corpus by name: a line for `initlab list corpora`, and how to load it with a tokenizer or None."""

    summary: str
    load: Callable[[str | None], Corpus]


def load_corpus(corpus: str, tokenizer: str | None = None) -> Corpus:
    """Load a corpus by name, or a text file, a folder of texts, a nanoGPT folder or train.bin by path.

    The same arguments give the same object until a file changes. Raises InitlabError for whatever is wrong.
    """
    if corpus in NAMED:
        return _load_named(corpus, tokenizer)
    path = Path(corpus).expanduser()
    try:
        if not corpus or not path.exists():
            raise _not_found(corpus)
        path = path.resolve()
        return _load_path(path, tokenizer, _stamps(path))
    except OSError as error:
        raise InitlabError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def corpus_names() -> list[tuple[str, str]]:
    """Return (name, one-line summary) of every named corpus."""
    return [(name, named.summary) for name, named in NAMED.items()]


@lru_cache(maxsize=8)
def _load_named(name: str, tokenizer: str | None) -> Corpus:
    return NAMED[name].load(tokenizer)


@lru_cache(maxsize=8)
def _load_path(path: Path, tokenizer: str | None, stamps: tuple[tuple[str, int, int], ...]) -> Corpus:
    del stamps  # part of the cache's key alone: a file that changed is read anew
    folder = bin_folder(path)
    if folder is not None:
        return bin_corpus(folder, tokenizer)
    if path.is_dir():
        return text_corpus(path.name, read_folder(path), tokenizer)
    return text_corpus(path.name, [Piece(str(path), path.read_bytes())], tokenizer)


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


def _not_found(corpus: str) -> InitlabError:
    looks_like_path = Path(corpus).suffix or "/" in corpus or os.sep in corpus
    if looks_like_path:
        return InitlabError(f"corpus {corpus!r}: no such file or folder")
    return InitlabError(f"no corpus and no file is named {corpus!r}{did_you_mean(corpus, NAMED)}")


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


def _stdlib(tokenizer: str | None) -> Corpus:
    return text_corpus("stdlib", stdlib_pieces(), tokenizer)


def _shakespeare(tokenizer: str | None) -> Corpus:
    return text_corpus("shakespeare", [Piece("tiny Shakespeare", read_shakespeare())], tokenizer)


NAMED = {
    "synthetic": Named("64 symbols, local structure and copies; its best reachable loss is exact", _synthetic),
    "stdlib": Named("the standard-library sources of the running Python, as bytes", _stdlib),
    "shakespeare": Named("tiny Shakespeare, 1.1 MB, downloaded once and cached", _shakespeare),
}
