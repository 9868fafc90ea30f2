"""train.bin and val.bin as nanoGPT writes them, and pickles that must not run."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from initlab.data.batches import draw_batch
from initlab.data.nanogpt_bin import bin_corpus, bin_folder, read_vocab_size
from initlab.errors import InitlabError


def write_pair(folder: Path, train: list[int], val: list[int]) -> None:
    np.array(train, dtype="<u2").tofile(folder / "train.bin")
    np.array(val, dtype="<u2").tofile(folder / "val.bin")


def write_meta(folder: Path, meta: Any) -> None:
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))


def test_pair_is_read_as_written(tmp_path: Path) -> None:
    write_pair(tmp_path, [0, 1, 258, 50256], [7, 8, 9])
    corpus = bin_corpus(tmp_path, None)
    assert (tmp_path / "train.bin").read_bytes()[4:6] == b"\x02\x01"  # little-endian, no header
    assert corpus.train.tolist() == [0, 1, 258, 50256]
    assert corpus.val.tolist() == [7, 8, 9]
    assert (corpus.name, corpus.tokenizer, corpus.vocab_size) == (tmp_path.name, "ids", 50257)


def test_ids_stay_on_disk_until_a_batch_reads_them(tmp_path: Path) -> None:
    write_pair(tmp_path, list(range(100)), list(range(20)))
    corpus = bin_corpus(tmp_path, None)
    assert isinstance(corpus.train, np.memmap)
    x, _ = draw_batch(corpus.train, block_size=8, batch_size=3, seed=0, split="train", step=0)
    assert type(x) is np.ndarray
    assert np.array_equal(x, x[:, :1] + np.arange(8))


def test_vocabulary_comes_from_meta(tmp_path: Path) -> None:
    write_pair(tmp_path, [0, 1, 2], [3])
    without = bin_corpus(tmp_path, None)
    write_meta(tmp_path, {"vocab_size": 65, "itos": {0: "a"}, "stoi": {"a": 0}})
    corpus = bin_corpus(tmp_path, None)
    assert corpus.vocab_size == 65
    assert corpus.sha256 != without.sha256


def test_ids_past_the_vocabulary_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path, [0, 1, 2], [3, 64, 65, 70])
    write_meta(tmp_path, {"vocab_size": 65})
    with pytest.raises(InitlabError, match=r"val\.bin: token 2 has id 65, but .*meta\.pkl gives vocab_size = 65"):
        bin_corpus(tmp_path, None)


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_pickle_with_a_payload_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    write_pair(tmp_path, [0], [0])
    write_meta(tmp_path, {"vocab_size": 65, "itos": Payload(marker)})
    with pytest.raises(InitlabError, match=r"meta\.pkl: refused \(it asks for .*mkdir\)"):
        bin_corpus(tmp_path, None)
    assert not marker.exists()
    pickle.loads((tmp_path / "meta.pkl").read_bytes())  # an ordinary reader would have run it
    assert marker.exists()


@pytest.mark.parametrize(
    "meta", [{}, [65], {"vocab_size": "65"}, {"vocab_size": 0}, {"vocab_size": True}, {"vocab_size": 65.0}]
)
def test_meta_without_a_whole_vocab_size(tmp_path: Path, meta: Any) -> None:
    write_meta(tmp_path, meta)
    with pytest.raises(InitlabError, match="must be a positive whole number"):
        read_vocab_size(tmp_path / "meta.pkl")


@pytest.mark.parametrize("content", [b"", b"\x80", b"not a pickle", pickle.dumps({"vocab_size": 65})[:-3]])
def test_damaged_meta(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "meta.pkl").write_bytes(content)
    with pytest.raises(InitlabError, match=r"meta\.pkl: refused"):
        read_vocab_size(tmp_path / "meta.pkl")


@pytest.mark.parametrize(("content", "message"), [(b"", "empty file"), (b"abc", "3 bytes are not a whole number")])
@pytest.mark.parametrize("name", ["train.bin", "val.bin"])
def test_damaged_bin(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_pair(tmp_path, [0], [0])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InitlabError, match=f"{name}: {message}"):
        bin_corpus(tmp_path, None)


@pytest.mark.parametrize("missing", ["train.bin", "val.bin"])
def test_half_a_pair_is_an_error_not_a_text_folder(tmp_path: Path, missing: str) -> None:
    write_pair(tmp_path, [0], [0])
    (tmp_path / missing).unlink()
    assert bin_folder(tmp_path) == tmp_path
    with pytest.raises(InitlabError, match=f"{missing}: no such file"):
        bin_corpus(tmp_path, None)


def test_tokenizer_has_nothing_to_do(tmp_path: Path) -> None:
    write_pair(tmp_path, [0], [0])
    with pytest.raises(InitlabError, match="token ids already"):
        bin_corpus(tmp_path, "char")


def test_what_means_a_pair(tmp_path: Path) -> None:
    assert bin_folder(tmp_path) is None
    assert bin_folder(tmp_path / "notes.txt") is None
    assert bin_folder(tmp_path / "train.bin") == tmp_path
    with pytest.raises(InitlabError, match=r"val\.bin: name the folder"):
        bin_folder(tmp_path / "val.bin")
