"""Bytes never fail, characters are nanoGPT's, folders are read in one order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from initlab.data.text import Piece, encode_chars, files_below, read_folder, text_corpus
from initlab.errors import InitlabError


@given(st.binary(min_size=1, max_size=300))
def test_bytes_are_themselves(content: bytes) -> None:
    corpus = text_corpus("t", [Piece("t", content)], None)
    assert bytes([*corpus.train.tolist(), *corpus.val.tolist()]) == content
    assert (corpus.tokenizer, corpus.vocab_size) == ("byte", 256)


@given(st.text(min_size=1, max_size=200))
def test_characters_are_nanogpts(text: str) -> None:
    ids, vocabulary = encode_chars(text)
    chars = sorted(set(text))  # the very lines of its prepare.py
    stoi = {ch: i for i, ch in enumerate(chars)}
    assert ids.tolist() == [stoi[c] for c in text]
    assert list(vocabulary) == chars


def test_large_vocabulary_does_not_wrap() -> None:
    text = "".join(map(chr, range(0x10000, 0x10000 + 70_000)))
    ids, vocabulary = encode_chars(text)
    assert len(vocabulary) == 70_000
    assert np.array_equal(ids, np.arange(70_000))


def test_split_counts_characters_not_bytes() -> None:
    content = "é".encode() * 10 + b"abcdefghij"
    assert len(text_corpus("t", [Piece("t", content)], "char").train) == 18
    assert len(text_corpus("t", [Piece("t", content)], "byte").train) == 27


def test_line_ends_read_as_nanogpt_reads_them() -> None:
    both = [Piece("t", b"a\r\nb\rc\n"), Piece("t", b"a\nb\nc\n")]
    dos, unix = (text_corpus("t", [piece], "char") for piece in both)
    assert dos.sha256 == unix.sha256
    dos, unix = (text_corpus("t", [piece], "byte") for piece in both)
    assert dos.sha256 != unix.sha256


def test_not_utf8_is_an_error_for_characters_alone() -> None:
    pieces = [Piece("good.txt", b"fine"), Piece("bad.txt", b"caf\xe9!")]
    assert len(text_corpus("t", pieces, "byte").train) > 0
    with pytest.raises(InitlabError, match=r'bad.txt: not UTF-8 at byte 3 \(0xe9\).*tokenizer = "byte"'):
        text_corpus("t", pieces, "char")


@pytest.mark.parametrize(("tokenizer", "hint"), [("bytes", "did you mean 'byte'"), ("word", "legal are: byte, char")])
def test_unknown_tokenizer(tokenizer: str, hint: str) -> None:
    with pytest.raises(InitlabError, match=hint):
        text_corpus("t", [Piece("t", b"text")], tokenizer)


def test_empty_text_is_an_error() -> None:
    with pytest.raises(InitlabError, match=r"'t' is empty: a.txt, b.txt"):
        text_corpus("t", [Piece("a.txt", b""), Piece("b.txt", b"")], None)


def test_folder_is_its_visible_texts_by_relative_path(tmp_path: Path) -> None:
    files = {
        "b.txt": b"second",
        "a/z.txt": b"first",
        "b/a.txt": b"third",
        ".hidden": b"no",
        ".git/config": b"no",
        "a/.cache/x.txt": b"no",
        "weights.dat": b"no\0no",
    }
    for name in reversed(files):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
    assert [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)] == [
        "a/z.txt",
        "b.txt",
        "b/a.txt",
        "weights.dat",
    ]
    pieces = read_folder(tmp_path)
    corpus = text_corpus("t", pieces, None)
    assert bytes([*corpus.train.tolist(), *corpus.val.tolist()]) == b"first\nsecond\nthird"


def test_folder_that_links_to_itself_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"text")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    assert [path.name for path in files_below(tmp_path)] == ["a.txt"]


def test_folder_without_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\0")
    with pytest.raises(InitlabError, match="no text files"):
        read_folder(tmp_path)
