"""The O(L) form against the recursion."""

import numpy as np
import pytest

from initlab.theory.prediction import predict, summary
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import LN, theory_model

TEXT = TokenStatistics.uniform(50)


@pytest.mark.parametrize("activation", ["gelu", "relu", "silu"])
@pytest.mark.parametrize("length", [8, 128])
def test_it_follows_the_recursion(activation: str, length: int) -> None:
    network = theory_model(incoming=LN, layers=12, length=length, activation=activation)
    short, long = summary(network, TEXT), predict(network, TEXT, backward=False)
    # It takes all pairs of tokens as alike: that costs a few percent where attention matters.
    assert np.array(short.residual_ms) == pytest.approx(np.array(long.residual_ms), rel=0.08)
    assert short.token_cosine == pytest.approx(long.token_cosine, abs=0.05)
    assert short.initial_loss == pytest.approx(long.initial_loss, abs=0.02)
    assert short.grad_ms is None


def test_it_is_all_but_exact_where_positions_are_alike() -> None:
    network = theory_model(incoming=LN, layers=1, length=40)
    short, long = summary(network, TEXT), predict(network, TEXT, backward=False)
    assert short.residual_ms[0] == pytest.approx(long.residual_ms[0])
    # After the embedding all pairs are alike. Attention's average is then exact but for terms of order
    # logit variance / width, of which it takes the square of a mean for the mean of a square.
    assert short.attn_ms[0] == pytest.approx(long.attn_ms[0], rel=0.3 / 64)


def test_the_length_costs_nothing() -> None:
    network = theory_model(incoming=LN, layers=24, length=100_000, width=768)
    assert np.isfinite(summary(network, TEXT).residual_ms).all()
