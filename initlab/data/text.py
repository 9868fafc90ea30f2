"""Text to token ids: raw bytes, or nanoGPT's sorted set of characters.

A text is a list of named pieces, so that an error can say which file is at fault; pieces are joined by a newline.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from initlab.data.corpus import Corpus, Tokens, split_90_10
from initlab.errors import InitlabError, did_you_mean
from initlab.files.limits import CORPUS_BYTES, CORPUS_FILES
from initlab.files.untrusted import check_inside, read_untrusted

TOKENIZERS = ("byte", "char")


class Piece(NamedTuple):
    label: str
    content: bytes


def text_corpus(name: str, pieces: Sequence[Piece], tokenizer: str | None) -> Corpus:
    """Tokenize and split 90/10. Without a tokenizer it is bytes, which every file has."""
    tokenizer = tokenizer or "byte"
    if tokenizer not in TOKENIZERS:
        raise InitlabError(f"unknown tokenizer {tokenizer!r}{did_you_mean(tokenizer, TOKENIZERS)}")
    if not any(piece.content for piece in pieces):
        raise InitlabError(f"corpus {name!r} is empty: {', '.join(piece.label for piece in pieces[:3])}")
    if tokenizer == "byte":
        ids: Tokens = np.frombuffer(b"\n".join(piece.content for piece in pieces), dtype=np.uint8)
        return Corpus.of(name, split_90_10(ids), tokenizer="byte", vocab_size=256)
    ids, vocabulary = encode_chars("\n".join(_decode(piece) for piece in pieces))
    return Corpus.of(name, split_90_10(ids), tokenizer="char", vocab_size=len(vocabulary), vocabulary=vocabulary)


def encode_chars(text: str) -> tuple[Tokens, str]:
    """Return (ids, vocabulary): an id is the place of a character in ``sorted(set(text))``, as in nanoGPT."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    seen = np.zeros(0x110000, dtype=np.bool_)  # a table of all of Unicode is faster than sorting the text
    seen[codes] = True
    vocabulary = np.flatnonzero(seen)
    ids = (np.cumsum(seen) - 1)[codes]
    return ids.astype(np.uint16 if len(vocabulary) <= 2**16 else np.uint32), "".join(map(chr, vocabulary))


def files_below(folder: Path) -> list[Path]:
    """Return the files a folder corpus is made of, sorted by relative path; hidden files and folders are left out.

    Links to folders are not followed, since they may form a loop. Raises OSError for a folder that cannot be listed,
    and InitlabError for a link to a file outside the folder, for too many files and for too large ones.
    """
    files = sorted(filter(Path.is_file, _names_below(folder)), key=lambda path: path.relative_to(folder).as_posix())
    for file in files:
        if file.is_symlink():
            check_inside(file, folder, "text of a corpus")
    CORPUS_BYTES.check(sum(file.stat().st_size for file in files), str(folder))
    return files


def _names_below(folder: Path) -> list[Path]:
    """Return what is no folder below a folder, fifos and dangling links among it."""

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    seen = 0
    try:
        for parent, folders, names in os.walk(folder, onerror=refuse):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [Path(parent, name) for name in names if not name.startswith(".")]
            seen += len(folders) + len(names)
            CORPUS_FILES.check(seen, str(folder))
    except RecursionError as error:
        raise InitlabError(f"{folder}: its folders are nested too deeply") from error
    return found


def read_folder(folder: Path) -> list[Piece]:
    """Read the text files below a folder; a file with a NUL byte is taken for a binary one and skipped."""
    pieces = (
        Piece(str(path), read_untrusted(path, "text", CORPUS_BYTES, below=folder)) for path in files_below(folder)
    )
    texts = [piece for piece in pieces if b"\0" not in piece.content]
    if not texts:
        raise InitlabError(f"{folder}: no text files in this folder (hidden and binary files do not count)")
    return texts


def _decode(piece: Piece) -> str:
    try:
        text = piece.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InitlabError(
            f"{piece.label}: not UTF-8 at byte {error.start:,} (0x{piece.content[error.start]:02x}), "
            'and tokenizer = "char" reads characters; use tokenizer = "byte"'
        ) from error
    # nanoGPT opens its text in text mode, which reads every line end as one newline.
    return text.replace("\r\n", "\n").replace("\r", "\n")
