"""The embedding's gram against tables and texts that are drawn."""

from dataclasses import replace

import numpy as np
import pytest

from initlab.theory.branches import Context
from initlab.theory.forward import embedding, forward_trace, source
from initlab.theory.kernels import Identity
from initlab.theory.positions import position_grid
from initlab.theory.tokens import TokenStatistics
from tests.reference import fairseq_sinusoid
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


def test_fairseqs_sinusoids() -> None:
    length, width = 12, 64
    codes = np.array([fairseq_sinusoid(t + 2, width) for t in range(length)])
    network = theory_model(width=width, length=length, token=0.0, position=0.5, sinusoidal=True, fairseq=True)
    gram = embedding(network, TokenStatistics.uniform(50), position_grid(length))
    expected, off = codes @ codes.T / width, ~np.eye(length, dtype=bool)
    assert gram[:-2][off] == pytest.approx(expected[off])
    other = embedding(replace(network, fairseq=False), TokenStatistics.uniform(50), position_grid(length))
    assert np.abs(other[:-2][off] - expected[off]).max() > 1e-3
    context = Context(position_grid(length), Identity(), width, head_width=16, repeats=np.zeros_like(gram))
    trace = forward_trace(network, TokenStatistics.uniform(50), context)
    assert trace.common[0] == pytest.approx(codes.mean(1))


def test_what_a_branch_reads() -> None:
    plain, parallel = (theory_model(incoming=LN, layers=2, parallel=both) for both in (False, True))
    assert [source(plain, index) for index in range(4)] == [0, 1, 2, 3]
    assert [source(parallel, index) for index in range(4)] == [0, 0, 2, 2]
