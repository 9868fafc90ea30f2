"""nanoGPT's prepared data: train.bin and val.bin, headerless little-endian uint16 ids, and perhaps meta.pkl.

The ids are memory-mapped, so a corpus may be larger than memory. ``meta.pkl`` is a pickle, which can run code when
it is loaded: it is read by an unpickler that knows no class and no function at all, only plain data.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from initlab.data.corpus import Corpus, Tokens, first_id_from, largest_id
from initlab.errors import InitlabError
from initlab.files.escaping import brief
from initlab.files.limits import PICKLE_BYTES
from initlab.files.untrusted import check_inside, read_untrusted

LARGEST_VOCABULARY = 2**22
"""Of a model here (initlab.spec.declaration); ids of two bytes reach 65,536, and a vocabulary may be padded."""


def bin_folder(path: Path) -> Path | None:
    """Return the folder that holds the pair a path means, None where it means something else."""
    if path.is_dir():
        return path if any((path / name).is_file() for name in ("train.bin", "val.bin")) else None
    if path.name == "train.bin":
        return path.parent
    if path.suffix == ".bin":
        raise InitlabError(f"{path}: name the folder of nanoGPT's train.bin and val.bin, or its train.bin")
    return None


def bin_files(folder: Path) -> list[Path]:
    """Return train.bin, val.bin and, where there is one, meta.pkl."""
    meta = folder / "meta.pkl"
    pair = [folder / "train.bin", folder / "val.bin"]
    for path in pair:
        if not path.is_file():
            raise InitlabError(f"{path}: no such file; nanoGPT's data is a pair, train.bin and val.bin side by side")
    files = [*pair, meta] if meta.is_file() else pair
    for path in files:
        check_inside(path, folder, "nanoGPT data")
    return files


def bin_corpus(folder: Path, tokenizer: str | None) -> Corpus:
    """Open the pair. The vocabulary is meta.pkl's; without one it is the largest id + 1."""
    train_path, val_path, *meta = bin_files(folder)
    if tokenizer is not None:
        raise InitlabError(
            f"{train_path}: tokenizer = {tokenizer!r} has nothing to do, for a .bin holds token ids already; "
            "leave it out"
        )
    train, val = _open_ids(train_path), _open_ids(val_path)
    vocab_size = read_vocab_size(meta[0]) if meta else 1 + max(largest_id(train), largest_id(val))
    for path, ids in ((train_path, train), (val_path, val)):
        at = first_id_from(ids, vocab_size)
        if at is not None:
            raise InitlabError(
                f"{path}: token {at:,} has id {ids[at]}, but {folder / 'meta.pkl'} gives "
                f"vocab_size = {vocab_size}: the two do not belong together"
            )
    return Corpus.of(folder.name, (train, val), tokenizer="ids", vocab_size=vocab_size)


def read_vocab_size(path: Path) -> int:
    """Return vocab_size of a meta.pkl without running anything it may contain."""
    vocab_size = vocab_size_in(read_untrusted(path, "meta.pkl", PICKLE_BYTES), str(path))
    if type(vocab_size) is not int or not 0 < vocab_size <= LARGEST_VOCABULARY:
        raise InitlabError(
            f"{path}: vocab_size is {brief(vocab_size)}, but it must be a positive whole number, at most "
            f"{LARGEST_VOCABULARY:,}"
        )
    return vocab_size


def vocab_size_in(content: bytes, where: str) -> Any:
    """Return what a pickled dict has as its vocab_size; raises InitlabError where it is no dict of plain data."""
    try:
        _check_memo(content)
        meta = _DataOnly(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle can raise almost anything
        raise InitlabError(f"{where}: refused ({error}); nanoGPT's meta.pkl is a dict of plain data") from error
    return meta.get("vocab_size") if isinstance(meta, dict) else None


def _check_memo(content: bytes) -> None:
    """Raise UnpicklingError for a memo with gaps: the unpickler makes room for every number up to the largest."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument is not None and argument > len(content):
            raise pickle.UnpicklingError(f"it numbers an object {argument:,} in {len(content):,} bytes")


class _DataOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _open_ids(path: Path) -> Tokens:
    size = path.stat().st_size
    if size == 0:
        raise InitlabError(f"{path}: empty file")
    if size % 2:
        raise InitlabError(f"{path}: {size:,} bytes are not a whole number of uint16 ids; is the file cut short?")
    ids: np.memmap[Any, np.dtype[np.uint16]] = np.memmap(path, dtype="<u2", mode="r")
    return ids
