"""Names, paths and the errors between them."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from initlab.data import corpora as module
from initlab.data.corpora import CORPORA, Load, corpus, is_corpus_name, load_corpus
from initlab.data.corpus import Corpus
from initlab.data.text import Piece, text_corpus
from initlab.errors import InitlabError
from initlab.plugins.loading import load_plugin
from tests.installing import CORPUS_FILE, install

TEXT = b"To be, or not to be, that is the question.\n"


def test_synthetic_is_the_default_source_with_its_floor() -> None:
    corpus = load_corpus("synthetic")
    assert (len(corpus.train), len(corpus.val)) == (1_080_000, 120_000)
    assert (corpus.name, corpus.tokenizer, corpus.vocab_size) == ("synthetic", "symbol", 64)
    assert corpus.entropy_rate == pytest.approx(2.3257, abs=1e-4)
    floor = corpus.floor(64)
    assert floor is not None
    assert corpus.entropy_rate is not None
    assert corpus.entropy_rate < floor < np.log(64)
    corpus.check(block_size=1024, vocab_size=64)
    # A regression pin, as in test_synthetic: the identity of every stored run on this corpus.
    assert corpus.sha256.startswith("61b7d3fa6b07")
    assert pickle.loads(pickle.dumps(corpus)).floor(64) == floor  # worker processes may be handed one


def test_stdlib_is_bytes() -> None:
    corpus = load_corpus("stdlib")
    assert (corpus.tokenizer, corpus.vocab_size) == ("byte", 256)
    assert len(corpus.train) > 1_000_000
    assert corpus.floor(64) is None


@pytest.mark.parametrize(("tokenizer", "vocab_size"), [(None, 256), ("char", len(set(TEXT)))])
def test_shakespeare_by_either_tokenizer(
    monkeypatch: pytest.MonkeyPatch, tokenizer: str | None, vocab_size: int
) -> None:
    monkeypatch.setattr(module, "read_shakespeare", lambda: TEXT)
    module._load_named.cache_clear()
    corpus = load_corpus("shakespeare", tokenizer)
    module._load_named.cache_clear()
    assert (corpus.name, corpus.vocab_size) == ("shakespeare", vocab_size)


def test_file_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hamlet.txt"
    path.write_bytes(TEXT)
    corpus = load_corpus(str(path))
    assert corpus.name == "hamlet.txt"
    assert bytes(corpus.train.tolist()) == TEXT[: int(len(TEXT) * 0.9)]
    monkeypatch.chdir(tmp_path)
    assert load_corpus("hamlet.txt") is corpus
    (tmp_path / "copy.md").write_bytes(TEXT)
    assert load_corpus("copy.md").sha256 == corpus.sha256  # content, not path
    assert load_corpus("copy.md", "char").sha256 != corpus.sha256


def test_name_comes_before_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "synthetic").write_bytes(TEXT)
    monkeypatch.chdir(tmp_path)
    assert load_corpus("synthetic").tokenizer == "symbol"
    assert load_corpus("./synthetic").tokenizer == "byte"


def test_folder_and_pair_by_path(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    assert load_corpus(str(tmp_path)).tokenizer == "byte"
    for name in ("train.bin", "val.bin"):
        np.arange(30, dtype="<u2").tofile(tmp_path / name)
    pair = load_corpus(str(tmp_path))
    assert pair.tokenizer == "ids"
    assert load_corpus(str(tmp_path / "train.bin")).sha256 == pair.sha256


def test_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(TEXT)
    first = load_corpus(str(path))
    assert load_corpus(str(path)) is first
    changed = TEXT.replace(b"be", b"do")
    path.write_bytes(changed)  # as long as before
    os.utime(path, ns=(1, 1))
    again = load_corpus(str(path))
    assert again.sha256 != first.sha256
    assert bytes(again.train.tolist()) == changed[: len(again.train)]


def test_folder_is_read_anew_when_a_file_is_added(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    first = load_corpus(str(tmp_path))
    assert load_corpus(str(tmp_path)) is first
    (tmp_path / "b.txt").write_bytes(TEXT)
    assert len(load_corpus(str(tmp_path)).train) > len(first.train)


@pytest.mark.parametrize(
    ("corpus", "tokenizer", "message"),
    [
        ("synthetc", None, "no corpus and no file is named 'synthetc'; did you mean 'synthetic'"),
        ("", None, "corpus '': the name is empty"),
        ("missing.txt", None, "corpus 'missing.txt': no such file or folder"),
        ("missing/folder", None, "no such file or folder"),
        ("synthetic", "byte", "tokenizer = 'byte' has nothing to do"),
        ("stdlib", "bytes", "did you mean 'byte'"),
        (os.devnull, None, "neither a file nor a folder"),
        ("x" * 5000, None, "the name is too long for a file"),
    ],
)
def test_mistakes(corpus: str, tokenizer: str | None, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        load_corpus(corpus, tokenizer)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.touch()
    with pytest.raises(InitlabError, match=r"is empty: .*empty\.txt"):
        load_corpus(str(path))


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes(TEXT)

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InitlabError, match=r"cannot read .*secret\.txt: Permission denied"):
        load_corpus(str(path))


def test_every_name_has_one_line_that_says_what_it_is() -> None:
    entries = CORPORA.items()
    assert [name for name, _ in entries] == ["synthetic", "stdlib", "shakespeare"]
    assert all(entry.summary and "\n" not in entry.summary for _, entry in entries)


def loads(text: bytes) -> Load:
    def load(tokenizer: str | None) -> Corpus:
        return text_corpus("poem", [Piece("poem", text)], tokenizer)

    return load


def test_a_registered_corpus_is_loaded_by_its_name_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limericks").write_bytes(TEXT)
    monkeypatch.chdir(tmp_path)
    of_the_file = load_corpus("limericks")
    with CORPORA.isolated():
        corpus("limericks", summary="a test")(loads(TEXT * 3))
        assert is_corpus_name("limericks")
        by_name = load_corpus("limericks")
        assert load_corpus("limericks") is by_name
        assert load_corpus("limericks", "char").tokenizer == "char"
        assert load_corpus("./limericks").sha256 == of_the_file.sha256 != by_name.sha256
        with pytest.raises(InitlabError, match="did you mean 'limericks'"):
            load_corpus("limerick")
    assert not is_corpus_name("limericks")
    assert load_corpus("limericks").sha256 == of_the_file.sha256


def test_another_corpus_of_the_same_name_is_not_the_one_that_was_loaded_before() -> None:
    hashes = set()
    for text in (TEXT, TEXT * 2):
        with CORPORA.isolated():
            corpus("poem", summary="a test")(loads(text))
            hashes.add(load_corpus("poem").sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize("name", ["poems.txt", "a/poem", "./poem"])
def test_a_name_that_would_be_taken_for_a_path_cannot_be_registered(name: str) -> None:
    with pytest.raises(InitlabError, match="which means a file"):
        corpus(name, summary="a test")
    assert not is_corpus_name(name)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", r"the corpus 'odd' of plug-in .*odd\.py fails: ZeroDivisionError: division by zero \(odd\.py"),
        ("return 3", "corpus 'odd' loads a int, not a Corpus"),
    ],
)
def test_a_plug_in_that_loads_no_corpus_is_named(body: str, message: str, plugin_site: Path) -> None:
    source = "from initlab.data.corpora import corpus\n@corpus('odd', summary='a test')\ndef odd(tokenizer):\n"
    (plugin_site / "odd.py").write_text(f"{source}    {body}\n")
    load_plugin(f"{plugin_site}/odd.py:odd")
    with pytest.raises(InitlabError, match=message):
        load_corpus("odd")


def test_an_installed_corpus_is_imported_when_its_name_is_asked_for(plugin_site: Path) -> None:
    source = CORPUS_FILE.format(name="tides", text="ebb and flow ")
    install(plugin_site, "shore", {"initlab.corpora": {"tides": "shore_tides"}}, {"shore_tides": source})
    assert is_corpus_name("tides")
    assert "shore_tides" not in sys.modules
    assert load_corpus("tides").train.tobytes().startswith(b"ebb and flow")


def test_loading_needs_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from initlab.data.corpora import load_corpus; from initlab.data import batches; "
        "load_corpus('synthetic').floor(64); print('torch' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
