"""Averages over pairs of positions are those of the plain matrices; blocks cost next to nothing."""

import numpy as np
import pytest

from initlab.theory.positions import Array, PositionGrid, outer, position_grid, square, stack

RNG = np.random.default_rng(0)
T = 23


def random_gram() -> tuple[Array, Array, Array]:
    """Return a gram, the T x T matrix it stands for, and that of two sequences."""
    matrix = RNG.normal(size=(T, T))
    matrix = matrix + matrix.T
    across = matrix.copy()
    np.fill_diagonal(across, RNG.normal(size=T))
    return stack(matrix, np.diagonal(matrix), np.diagonal(across)), matrix, across


def exact() -> PositionGrid:
    return position_grid(T, exact=T)


def double_sum(matrix: Array) -> Array:
    return matrix.cumsum(0).cumsum(1)


def test_past_sums() -> None:
    gram, matrix, across = random_gram()
    found = exact().past_sum(gram)
    assert found[:-2] == pytest.approx(double_sum(matrix))
    assert found[-2] == pytest.approx(np.diagonal(double_sum(matrix)))
    assert found[-1] == pytest.approx(np.diagonal(double_sum(across)))
    times = np.arange(1, T + 1)
    assert exact().past_mean(gram)[:-2] == pytest.approx(double_sum(matrix) / np.outer(times, times))


def test_future_sums() -> None:
    gram, matrix, _ = random_gram()
    assert exact().future_sum(gram)[:-2] == pytest.approx(double_sum(matrix[::-1, ::-1])[::-1, ::-1])


def test_row_means() -> None:
    gram, matrix, _ = random_gram()
    assert exact().past_row_mean(gram) == pytest.approx(matrix.cumsum(0) / np.arange(1, T + 1)[:, None])


def test_means_of_row_squares() -> None:
    gram, matrix, _ = random_gram()
    row = matrix.cumsum(0) / np.arange(1, T + 1)[:, None]  # [t, s]: mean over i ≤ t
    expected = (row**2).cumsum(1) / np.arange(1, T + 1)
    assert exact().past_mean_of_row_squares(gram) == pytest.approx(expected)


def test_means_of_row_squares_keep_to_the_positions_of_a_block() -> None:
    """Tokens that share nothing: of a block, only those up to its middle have themselves in their past."""
    blocks = PositionGrid(np.array([0, 1, 2, 5, 10, 17]))
    count, middle = len(blocks), blocks.time.astype(int)
    row = np.tri(17) / np.arange(1, 18)[:, None]  # [t, s]: 1/t where s ≤ t
    expected = (row**2).cumsum(1)[np.ix_(middle - 1, middle - 1)] / middle
    alone = stack(np.zeros((count, count)), np.ones(count), np.zeros(count))
    found = blocks.past_mean_of_row_squares(alone)
    assert found == pytest.approx(expected)
    naive = blocks.past_row_mean(alone) ** 2 @ blocks.past.T / blocks.time
    assert naive != pytest.approx(expected, rel=0.05), "a block's mean squared is not the mean of its squares"


def test_means() -> None:
    gram, matrix, _ = random_gram()
    off = ~np.eye(T, dtype=bool)
    assert exact().mean(gram) == pytest.approx(np.diagonal(matrix).mean())
    assert exact().pair_mean(gram) == pytest.approx(matrix[off].mean())
    assert exact().batch_mean(gram**2, 1) == pytest.approx((matrix**2).mean())
    # Were all sequences the same, five would be as one.
    assert exact().batch_mean(outer(np.full(T, 2.0)), 5) == pytest.approx(4)
    assert exact().batch_mean(stack(np.zeros((T, T)), np.ones(T), np.zeros(T)), 5) == pytest.approx(1 / (5 * T))


def test_cosines_do_not_depend_on_lengths() -> None:
    gram = square(np.full((T, T), 0.3))
    gram[-2] = 1
    assert exact().cosine(gram * outer(np.linspace(1, 9, T))) == pytest.approx(0.3)
    assert position_grid(1).cosine(np.ones((3, 1))) == 0


@pytest.mark.parametrize("blocks", [position_grid(T, exact=T), position_grid(200, exact=8, growth=0.3)])
def test_lags_are_averaged_over_the_pairs_of_two_blocks(blocks: PositionGrid) -> None:
    values = RNG.normal(size=blocks.length)
    distance = np.abs(np.arange(blocks.length)[:, None] - np.arange(blocks.length))
    matrix = values[distance]
    found = blocks.by_lag(values)
    for row in range(len(blocks)):
        for column in range(len(blocks)):
            part = matrix[slice(*blocks.starts[row : row + 2]), slice(*blocks.starts[column : column + 2])]
            if row != column:
                assert found[row, column] == pytest.approx(part.mean())
            elif len(part) > 1:
                assert found[row, row] == pytest.approx(part[~np.eye(len(part), dtype=bool)].mean())
    assert (found[-2] == values[0]).all()


def test_blocks_cover_the_sequence() -> None:
    for length in (1, 2, 96, 97, 130, 1024, 5000):
        blocks = position_grid(length)
        assert blocks.weight.sum() == length
        assert len(blocks) <= 96 + 25 * max(1, np.log(length / 96) + 1)
        # Half a block before its middle, half after: times average to that of the sequence.
        assert blocks.weight @ blocks.time / length == pytest.approx((length + 1) / 2)
