"""How often two tokens agree, counted and in closed form."""

import math

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


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_the_share_of_equal_pairs_scatters_as_a_u_statistic(exponent: float) -> None:
    rng, law = np.random.default_rng(3), np.arange(1, 31.0) ** -exponent
    law, length, batch = law / law.sum(), 20, 3
    draws = rng.choice(30, (4000, batch, length), p=law)
    pairs = (draws[..., None] == draws[..., None, :]).sum((-1, -2)) - length
    shares = pairs.mean(1) / (length * (length - 1))
    told = TokenStatistics.zipf(30, exponent)
    # The sd of 4000 draws with a skewed law is known to about 2%.
    assert told.scatter(length, batch) == pytest.approx(shares.std(), rel=0.08)
    assert told.collision == pytest.approx(shares.mean(), abs=5 * shares.std() / math.sqrt(4000))
    if exponent:
        uniform = TokenStatistics.uniform(30).scatter(length, batch)
        assert uniform < 0.5 * shares.std(), "a text is told from another of the same vocabulary"
    assert told.scatter(1, batch) == 0


def test_a_corpus_scatter_is_counted_over_its_windows() -> None:
    rng = np.random.default_rng(5)
    stretches = np.repeat(rng.integers(0, 40, 500), 40)  # windows of one token, or of two
    mixed = rng.permutation(stretches)
    clumped, shuffled = (TokenStatistics.from_ids(ids, 40, 16) for ids in (stretches, mixed))
    assert clumped.scatter(16, 1) > 10 * shuffled.scatter(16, 1)
    assert shuffled.scatter(16, 1) == pytest.approx(TokenStatistics.uniform(40).scatter(16, 1), rel=0.15)
    assert clumped.scatter(16, 4) == pytest.approx(clumped.scatter(16, 1) / 2)
