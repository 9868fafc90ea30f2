"""How often two tokens agree, counted and in closed form."""

import numpy as np
import pytest

from initlab.errors import InitlabError
from initlab.theory.tokens import TokenStatistics


def test_independent_tokens() -> None:
    assert TokenStatistics.uniform(50).collision == pytest.approx(1 / 50)
    assert TokenStatistics.zipf(3).collision == pytest.approx((1 + 1 / 4 + 1 / 9) / (1 + 1 / 2 + 1 / 3) ** 2)
    assert TokenStatistics.zipf(300).next_equal == TokenStatistics.zipf(300).collision
    assert TokenStatistics.uniform(50).by_lag(4).tolist() == [1, 0.02, 0.02, 0.02]


def test_a_corpus_is_counted() -> None:
    ids = np.tile(np.array([0, 0, 1, 2], dtype=np.uint8), 500)
    found = TokenStatistics.from_ids(ids, 3, longest=4)
    assert found.collision == pytest.approx(0.25 + 2 / 16, abs=1e-3)
    # 0011 -> pairs at lag 1: 00, 01, 12, 20; at lag 4 everything repeats.
    assert found.lags == pytest.approx((0.25, 0.0, 0.25, 1.0), abs=5e-3)
    assert found.next_equal == found.lags[0]
    assert found.by_lag(7)[[0, 4, 6]] == pytest.approx([1, 1, found.collision], abs=5e-3)
    assert not found.independent


def test_a_drawn_corpus_agrees_with_the_closed_form() -> None:
    law = np.arange(1, 41.0) ** -1
    ids = np.random.default_rng(0).choice(40, 300_000, p=law / law.sum())
    found = TokenStatistics.from_ids(ids, 40, longest=8)
    expected = TokenStatistics.zipf(40).collision
    assert found.collision == pytest.approx(expected, rel=0.02)
    # 2^18 pairs a lag: the standard error of a share p is √(p/2^18), .6% here, somewhat more for shared tokens.
    assert found.lags == pytest.approx((expected,) * 8, rel=0.05)


def test_short_corpora() -> None:
    assert TokenStatistics.from_ids(np.array([1, 1]), 2, longest=9).lags == (1.0,)
    with pytest.raises(InitlabError, match="at least two tokens"):
        TokenStatistics.from_ids(np.array([1]), 2, longest=9)
