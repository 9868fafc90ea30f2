"""A corpus is its content: what its hash sees, what its check refuses."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from initlab.data import corpus as module
from initlab.data.corpus import Corpus, Tokens, first_id_from, largest_id, split_90_10
from initlab.errors import InitlabError

IDS: Tokens = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=np.uint8)


def corpus(
    ids: Tokens = IDS, *, name: str = "c", border: int = 7, tokenizer: str = "char", vocabulary: str = "abcdefghij"
) -> Corpus:
    split = (ids[:border].copy(), ids[border:].copy())
    return Corpus.of(name, split, tokenizer=tokenizer, vocab_size=len(vocabulary), vocabulary=vocabulary)


def test_hash_ignores_the_name_and_how_ids_are_held() -> None:
    assert corpus(name="other").sha256 == corpus().sha256
    assert corpus(IDS.astype(np.uint32)).sha256 == corpus().sha256
    assert corpus(IDS.astype(">u2")).sha256 == corpus().sha256


def test_hash_sees_all_content() -> None:
    changed_train, changed_val = IDS.copy(), IDS.copy()
    changed_train[0], changed_val[9] = 5, 5
    twins = [
        corpus(changed_train),
        corpus(changed_val),
        corpus(border=6),
        corpus(tokenizer="ids"),
        corpus(vocabulary="abcdefghik"),
        corpus(vocabulary="abcdefghijk"),
        corpus(),
    ]
    assert len({twin.sha256 for twin in twins}) == len(twins)


def test_hash_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = corpus().sha256
    monkeypatch.setattr(module, "_CHUNK", 3)
    assert corpus().sha256 == whole


def test_ids_cannot_be_overwritten() -> None:
    with pytest.raises(ValueError, match="read-only"):
        corpus().train[0] = 1


@given(st.integers(0, 3000))
def test_split_is_nanogpts(n: int) -> None:
    train, val = split_90_10(np.arange(n, dtype=np.uint16))
    data = list(range(n))
    assert train.tolist() == data[: int(n * 0.9)]  # the very lines of its prepare.py
    assert val.tolist() == data[int(n * 0.9) :]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(0, 10), st.integers(1, 7))
def test_search_for_ids_in_chunks(ids: list[int], bound: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        tokens = np.array(ids, dtype=np.uint16)
        assert first_id_from(tokens, bound) == next((i for i, x in enumerate(ids) if x >= bound), None)
        assert largest_id(tokens) == max(ids)


def test_check_accepts_what_fits() -> None:
    corpus().check(block_size=2, vocab_size=None)
    corpus().check(block_size=2, vocab_size=10)
    bytes_of_ascii = replace(corpus(), vocab_size=256)
    bytes_of_ascii.check(block_size=2, vocab_size=10)  # no id needs more, whatever the vocabulary could hold


@pytest.mark.parametrize(
    ("block_size", "border", "message"),
    [
        (3, 7, "its val part has 3 tokens, but block_size = 3 needs at least 4; set block_size to at most 2"),
        (8, 1, "its train part has 1 tokens, but block_size = 8 needs at least 9; take a longer text"),
    ],
)
def test_check_refuses_a_text_shorter_than_a_block(block_size: int, border: int, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        corpus(border=border).check(block_size=block_size, vocab_size=None)


def test_check_refuses_ids_past_the_models_vocabulary() -> None:
    with pytest.raises(InitlabError, match=r"val token 1 has id 8, but the model has vocab_size = 8; .* to 10"):
        corpus().check(block_size=2, vocab_size=8)
    with pytest.raises(InitlabError, match="train token 5 has id 5"):
        corpus().check(block_size=2, vocab_size=5)


def test_floor_and_description() -> None:
    plain = corpus()
    assert plain.floor(4) is None
    assert "7 train and 3 val tokens (char), vocabulary 10" in plain.describe()
    assert "entropy" not in plain.describe()
    known = replace(plain, entropy_rate=1.5, floor_of=lambda block_size: 1.5 + 1 / block_size)
    assert known.floor(4) == 1.75
    assert "entropy rate 1.5000 nats/token" in known.describe()
    assert "\n" not in known.describe()
