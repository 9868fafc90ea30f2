"""The embedding's gram against tables and texts that are drawn."""

import numpy as np
import pytest

from initlab.theory.forward import embedding, source
from initlab.theory.positions import position_grid
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import LN, theory_model


def test_tokens_that_agree_and_positions_that_sequences_share() -> None:
    network = theory_model(length=5, token=0.5, position=0.3)
    gram = embedding(network, TokenStatistics(50, 0.1, (0.4, 0.2)), position_grid(5))
    assert gram[0, 1:5] == pytest.approx([0.2, 0.1, 0.05, 0.05])
    assert gram[-2] == pytest.approx(np.full(5, 0.8))
    assert gram[-1] == pytest.approx(np.full(5, 0.35))


def test_sinusoidal_positions() -> None:
    length, width = 12, 64
    angle = np.arange(length)[:, None] * 10000.0 ** -(2 * np.arange(width // 2) / width)
    table = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    network = theory_model(width=width, length=length, token=0.0, position=0.5, sinusoidal=True)
    gram = embedding(network, TokenStatistics.uniform(50), position_grid(length))
    expected = table @ table.T / width
    off = ~np.eye(length, dtype=bool)
    assert gram[:-2][off] == pytest.approx(expected[off])
    assert gram[-2] == pytest.approx(np.diagonal(expected))


def test_what_a_branch_reads() -> None:
    plain, parallel = (theory_model(incoming=LN, layers=2, parallel=both) for both in (False, True))
    assert [source(plain, index) for index in range(4)] == [0, 1, 2, 3]
    assert [source(parallel, index) for index in range(4)] == [0, 0, 2, 2]
