"""The same recursion with one number for all positions and one for all pairs: O(L), whatever the context's length.

The stream is taken as homogeneous, G = p + (q - p)·1[s = t], and attention's causal averages of it are averaged over
positions: (1/t²) Σ_{i,j ≤ t} N = p + (q - p)·I, with I = 1/t for even weights and the participation ratio of
:mod:`initlab.theory.softmax` for uneven ones.
"""

from functools import lru_cache

import numpy as np

from initlab.theory.attention import Mixed, TokenGrams, correlated
from initlab.theory.positions import PositionGrid, position_grid, stack
from initlab.theory.softmax import sharpening
from initlab.theory.theory_model import Attention


@lru_cache(maxsize=64)
def one_block(length: int) -> PositionGrid:
    """Return the whole sequence as a single block."""
    return PositionGrid(np.array([0, length], dtype=np.int64))


def mix_homogeneous(tokens: TokenGrams, attention: Attention, block: PositionGrid, width: int) -> Mixed:
    """As :func:`initlab.theory.attention.mix`, for grams of one block: shape (3, 1), pairs p, positions q, twins."""
    gram = tokens.gram
    private = np.maximum(gram[1] - gram[0], 0)  # q - p
    query = attention.query.gain * gram + attention.query.bias
    asked = query * attention.key.gain * attention.scale
    variance = np.maximum(asked * private, 0)  # x = Kq·c_k·(q - p)
    alone, together = _participation(block.length, float(variance[1, 0]), float(variance[0, 0]))
    twin = float(_participation(block.length, 0.0, 0.0)[0])
    even = np.array([[together], [alone], [twin]])
    asked[2] = 0  # two sequences' logits have nothing in common
    chance = private**2 / width + tokens.unequal * tokens.alike[0] ** 2  # what tokens overlap by chance
    spread = stack(private[None], private, gram[2] - gram[0])
    mixed = gram[0] + spread * even + asked * chance * (1 - even) ** 2
    return Mixed(
        attention.value.gain * correlated(mixed) + attention.value.bias,
        attention.value.gain * tokens.alike * (even / block.length + asked[1] * chance * (1 - alone) ** 2),
        float(variance[1, 0]),
    )


def _participation(length: int, x_same: float, x_pair: float) -> tuple[float, float]:
    """Return the mean of I(x, t) over positions, and over pairs, where the later position counts."""
    grid, table = position_grid(length), sharpening(length)
    same = table.participation(np.full(len(grid), x_same), grid.time)
    later = grid.weight * (grid.time - 1)
    pair = table.participation(np.full(len(grid), x_pair), grid.time)
    return float(grid.weight @ same) / length, float(later @ pair / max(later.sum(), 1e-300))
