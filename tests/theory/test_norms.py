"""Norms on grams against norms on vectors."""

import math

import numpy as np
import pytest

from initlab.theory.norms import jacobian, normalise
from initlab.theory.positions import square
from initlab.theory.theory_model import EPS, NormMoments

WIDTH, DRAWS = 24, 40_000
GRAM = square(np.array([[2.0, 0.6], [0.6, 0.5]]))


def vectors() -> np.ndarray:
    """Gaussian channels whose two positions have the moments of GRAM, shape (DRAWS, 2, WIDTH)."""
    mix = np.linalg.cholesky(GRAM[:-2])
    return np.einsum("st,ntc->nsc", mix, np.random.default_rng(0).normal(size=(DRAWS, 2, WIDTH)))


def normed(x: np.ndarray, kind: str) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True) if kind == "layernorm" else x
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPS)


@pytest.mark.parametrize("kind", ["layernorm", "rmsnorm"])
def test_normalise(kind: str) -> None:
    norm = NormMoments(kind=kind, gain=4.0, bias=0.25)  # type: ignore[arg-type]
    y = 2 * normed(vectors(), kind) + 0.5 * np.random.default_rng(1).normal(size=(DRAWS, 1, WIDTH))
    expected = np.einsum("nsc,ntc->st", y, y) / (DRAWS * WIDTH)
    # A ratio's mean is not the ratio of means: 1/(2 width) of the overlap.
    assert normalise(GRAM, norm, WIDTH)[:-2] == pytest.approx(expected, rel=1 / WIDTH)
    assert np.diagonal(expected) == pytest.approx(normalise(GRAM, norm, WIDTH)[-2], rel=0.01)


@pytest.mark.parametrize("kind", ["layernorm", "rmsnorm"])
def test_jacobian(kind: str) -> None:
    x = vectors()[:, 0]
    gradient = np.random.default_rng(2).normal(size=x.shape)
    centred = x - x.mean(-1, keepdims=True) if kind == "layernorm" else x
    std = np.sqrt((centred**2).mean(-1, keepdims=True) + EPS)
    n = centred / std
    back = gradient - n * (gradient * n).mean(-1, keepdims=True)
    if kind == "layernorm":
        back = back - back.mean(-1, keepdims=True)
    back = back / std
    found = jacobian(np.ones_like(GRAM), GRAM, NormMoments(kind=kind), WIDTH)  # type: ignore[arg-type]
    spread = (back**2).mean(-1).std() / math.sqrt(DRAWS)
    assert abs(found[-2, 0] - (back**2).mean()) <= 5 * spread + 6 / WIDTH**2 * found[-2, 0]


def test_no_norm_and_the_smallest_streams() -> None:
    assert normalise(GRAM, None, WIDTH) is GRAM
    assert jacobian(GRAM, GRAM, None, WIDTH) is GRAM
    # At a variance of EPS the epsilon halves what comes out.
    tiny = normalise(square(np.full((2, 2), EPS)), NormMoments(kind="rmsnorm"), WIDTH)
    assert tiny == pytest.approx(np.full((4, 2), 0.5))
