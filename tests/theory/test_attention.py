"""Attention's weighted averages against attention that is drawn, from even weights to uneven ones."""

import math

import numpy as np
import pytest

from initlab.theory.attention import Mixed, TokenGrams, fold_qk_norm, mix
from initlab.theory.positions import Array, outer, position_grid, square
from initlab.theory.theory_model import Attention, Matrix, NormMoments

WIDTH, HEADS, T, DRAWS = 256, 4, 20, 40
ROUNDING = 1e-9


def attention(logit_gain: float, value: float = 1.0, qk_norm: NormMoments | None = None) -> Attention:
    logits = Matrix(gain=logit_gain)
    return Attention(query=logits, key=logits, value=Matrix(gain=value), out=Matrix(gain=1.0), qk_norm=qk_norm)


def overlaps(shared: float) -> Array:
    """TokenStatistics of unit length, all of which overlap by ``shared``."""
    gram = square(np.full((T, T), shared))
    gram[-2] = 1
    return gram


def mixed(gram: Array, law: Attention) -> Mixed:
    """Return what attention makes of tokens that are all different."""
    return mix(TokenGrams(gram, np.zeros_like(gram)), law, position_grid(T), WIDTH)


def matrix(gram: Array) -> Array:
    """Return the T x T matrix that a gram of single positions stands for."""
    found = gram[:-2].copy()
    np.fill_diagonal(found, gram[-2])
    return found


def drawn(shared: float, law: Attention) -> tuple[Array, Array]:
    """Return the mean over draws of ⟨y_t, y_t'⟩/d, and its standard error, shape (T, T)."""
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        x = math.sqrt(shared) * rng.normal(size=WIDTH) + math.sqrt(1 - shared) * rng.normal(size=(T, WIDTH))
        x -= x.mean(1, keepdims=True)
        x /= x.std(1, keepdims=True)
        q, k, v = (
            (x @ rng.normal(size=(WIDTH, WIDTH)) * math.sqrt(m.gain / WIDTH)).reshape(T, HEADS, -1).swapaxes(0, 1)
            for m in (law.query, law.key, law.value)
        )
        scores = q @ k.swapaxes(1, 2) * math.sqrt(law.scale * HEADS / WIDTH)
        weights = np.exp(scores) * np.tril(np.ones((T, T)))
        y = (weights / weights.sum(2, keepdims=True) @ v).swapaxes(0, 1).reshape(T, WIDTH)
        found.append(y @ y.T / WIDTH)
    return np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(DRAWS)


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("gain", [0.1, 0.5, 1.5])
def test_weighted_averages(shared: float, gain: float) -> None:
    law = attention(gain)
    mean, error = drawn(shared, law)
    averages = mixed(overlaps(shared), law)
    found = matrix(averages.gram)
    # Logits of a variance of 1.5² and heads of 64: terms of order variance / head width are left out.
    limit = 5 * error + 2 * (averages.logit_variance + 0.1) / (WIDTH / HEADS) * mean.max()
    assert (np.abs(found - mean) <= limit).all()
    assert np.trace(found) == pytest.approx(np.trace(mean), rel=0.04)


def test_even_weights_alone_are_not_enough() -> None:
    """Negative twin: at a logit variance of 1.5² even weights are far off where the full form is not."""
    mean, _ = drawn(0.0, attention(1.5))
    even = mixed(overlaps(0.0), attention(0.0))
    assert np.trace(matrix(even.gram)) < 0.7 * np.trace(mean)


def test_silent_logits_average_evenly() -> None:
    found = mixed(overlaps(0.0), attention(0.0, value=2.0))
    assert found.logit_variance == 0
    assert found.gram[-2] == pytest.approx(2 / np.arange(1, T + 1))
    assert found.gram[0, 1:-1] == pytest.approx(2 / np.arange(2, T))


def test_the_same_tokens_average_to_themselves() -> None:
    found = mixed(overlaps(1.0), attention(3.0))
    assert found.gram == pytest.approx(np.ones((T + 2, T)))
    assert found.logit_variance == pytest.approx(0, abs=ROUNDING)


def test_value_biases_are_shared_by_all_positions() -> None:
    law = Attention(
        query=Matrix(gain=0.0), key=Matrix(gain=0.0), value=Matrix(gain=0.0, bias=0.3), out=Matrix(gain=1.0)
    )
    assert mixed(overlaps(0.2), law).gram == pytest.approx(0.3 * outer(np.ones(T)))


def test_a_norm_of_queries_and_keys_makes_their_gains_irrelevant() -> None:
    one, other = (fold_qk_norm(attention(gain, qk_norm=NormMoments(kind="rmsnorm")), 1.0, 16) for gain in (0.2, 7.0))
    assert one.query.gain == pytest.approx(other.query.gain, rel=1e-4) == pytest.approx(1, rel=1e-4)  # but for ε
    assert fold_qk_norm(attention(0.2), 1.0, 16) == attention(0.2)
