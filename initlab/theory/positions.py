"""The positions of a sequence, and averages over pairs of them.

A *gram* holds a second moment for every pair of positions: shape (n + 2, n), where row s < n is the pair (s, t) of
two different positions in one sequence, row n the position t with itself, row n + 1 the position t with the same one
of another sequence of the batch. So what acts on each pair alone (a kernel, a norm) is one expression over the array.

Long sequences are cut into blocks whose length grows in proportion to the position, and an entry is the mean over the
pairs of two blocks: everything a causal average makes varies slowly in ln t. With blocks of one position the sums are
exact; ``tests/theory/test_positions.py`` bounds what the blocks cost.
"""

from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EXACT = 96
"""Positions that are kept one by one."""

GROWTH = 0.04
"""Length of a block over its position, beyond those."""

DEEP = 200
"""Layers beyond which blocks are three times as long."""


def stack(pairs: Array, same: Array, twin: Array) -> Array:
    """Put the parts of a gram together: shapes (n, n), (n,) and (n,)."""
    return np.concatenate([pairs, same[None], twin[None]])


def outer(u: Array) -> Array:
    """Return the gram of u_s u_t, for u of shape (n,)."""
    return stack(np.outer(u, u), u * u, u * u)


def square(pairs: Array) -> Array:
    """Return the gram of an (n, n) matrix over positions in which a position and itself are like any pair."""
    diagonal = np.diagonal(pairs)
    return stack(pairs, diagonal, diagonal)


class PositionGrid:
    """The n blocks into which T positions are cut; ``starts`` has their n + 1 borders in 0..T.

    ``weight``, shape (n,), is the length of a block, ``time`` its middle position counted from 1. ``past`` and
    ``future``, shape (n, n), are how much of block j lies before, or after, the middle of block i.
    """

    def __init__(self, starts: npt.NDArray[np.int64]) -> None:
        self.starts = starts
        self.weight: Array = np.diff(starts).astype(np.float64)
        self.length = int(starts[-1])
        # A block stands at its middle, and the causal past of the middle holds half of the block.
        self.time: Array = starts[:-1] + (self.weight + 1) / 2
        self.past: Array = np.tril(np.broadcast_to(self.weight, (len(self), len(self))), -1)
        np.fill_diagonal(self.past, (self.weight + 1) / 2)
        self.future: Array = np.triu(np.broadcast_to(self.weight, (len(self), len(self))), 1)
        np.fill_diagonal(self.future, (self.weight + 1) / 2)

    def __len__(self) -> int:
        return len(self.weight)

    @cached_property
    def latest(self) -> Array:
        """Gram of the later time of each pair, from 1."""
        return stack(np.maximum(self.time[:, None], self.time), self.time, self.time)

    def mean(self, gram: Array) -> float:
        """Return the mean over positions of the position with itself."""
        return float(self.weight @ gram[-2]) / self.length

    def pair_mean(self, gram: Array) -> float:
        """Return the mean over pairs of different positions, 0 where there is a single position."""
        if self.length == 1:
            return 0.0
        pairs = gram[:-2]
        total = self.weight @ pairs @ self.weight - self.weight @ np.diagonal(pairs)
        return float(total) / (self.length * (self.length - 1))

    def cosine(self, gram: Array) -> float:
        """Return the mean over pairs of different positions of the cosine between them, 0 of vectors that are 0."""
        return self.pair_mean(gram / outer(np.sqrt(np.maximum(gram[-2], 1e-300))))

    def batch_mean(self, gram: Array, batch: int) -> float:
        """Return the mean over all (batch·T)² pairs of tokens of a batch, of a gram without negative entries.

        Of positions in two sequences only the twins are known; any two share at most what their twins do, and what
        they would share within a sequence.
        """
        within, across = self.sequence_means(gram)
        return within / batch + across * (1 - 1 / batch)

    def sequence_means(self, gram: Array) -> tuple[float, float]:
        """Return the means over all pairs of positions of one sequence, themselves included, and of two sequences."""
        twins = np.sqrt(np.maximum(gram[-1], 0))
        across = stack(np.minimum(gram[:-2], np.outer(twins, twins)), gram[-1], gram[-1])
        return self._all_pairs(gram), self._all_pairs(across)

    def _all_pairs(self, gram: Array) -> float:
        return self.mean(gram) / self.length + (1 - 1 / self.length) * self.pair_mean(gram)

    def past_sum(self, gram: Array) -> Array:
        """Return the gram of Σ_{i≤s, j≤t} F[i, j], both of shape (n + 2, n)."""
        return self._double_sum(gram, self.past, np.minimum)

    def past_mean(self, gram: Array) -> Array:
        """Return the gram of (1/st) Σ_{i≤s, j≤t} F[i, j], what two uniform causal averages have in common."""
        return self.past_sum(gram) / outer(self.time)

    def future_sum(self, gram: Array) -> Array:
        """Return the gram of Σ_{i≥s, j≥t} F[i, j], both of shape (n + 2, n)."""
        return self._double_sum(gram, self.future, np.maximum)

    def past_row_mean(self, gram: Array) -> Array:
        """Return R of shape (n, n), R[t, s] = mean over i ≤ t of F[i, s]."""
        pairs = gram[:-2]
        extra = self.past / self.weight * (gram[-2] - np.diagonal(pairs))
        mean: Array = (self.past @ pairs + extra) / self.time[:, None]
        return mean

    def past_mean_of_row_squares(self, gram: Array) -> Array:
        """Return Q of shape (n, n), Q[t, t'] = mean over s ≤ t' of (mean over i ≤ t of F[i, s])².

        Positions of one block differ in it: only those up to the middle t are among their own past.
        """
        pairs = gram[:-2]
        of_others = self.past @ pairs / self.time[:, None]  # [t, s], as if no s were among the i
        own = (gram[-2] - np.diagonal(pairs)) / self.time[:, None]  # what an s that is adds
        added = (2 * of_others * own + own**2) @ self.past.T  # [t, t']: over s ≤ t', to be taken over s ≤ t as well
        both = np.where(self.time >= self.time[:, None], np.diagonal(added)[:, None], added)
        mean: Array = (of_others**2 @ self.past.T + both) / self.time
        return mean

    def by_lag(self, values: Array) -> Array:
        """Return the gram of values[|s - t|], averaged over blocks; ``values`` has shape (T,), lag 0 first.

        A twin is a pair too far apart for a lag: it gets 0.
        """
        # A sum over a rectangle of pairs is a second difference of the second sum of the lag's function.
        lags = np.concatenate([[0.0], values[1:]])
        second = np.concatenate([[0.0], np.cumsum(np.cumsum(lags))])
        start, end = self.starts[:-1, None], self.starts[1:, None]
        rectangle = sum(
            sign * second[np.maximum(later - earlier, 0)]
            for sign, later, earlier in ((1, end.T, start), (-1, start.T, start), (-1, end.T, end), (1, start.T, end))
        )
        upper = np.triu(rectangle, 1) / np.outer(self.weight, self.weight)
        own = 2 * second[self.weight.astype(np.int64)]  # Σ_{a≠b} values[|a - b|] in one block
        own = own / np.maximum(self.weight * (self.weight - 1), 1)
        own[self.weight == 1] = values[1] if len(values) > 1 else 0.0
        return stack(upper + upper.T + np.diag(own), np.full(len(self), values[0]), np.zeros(len(self)))

    def _double_sum(self, gram: Array, reach: Array, nearer: np.ufunc) -> Array:
        pairs = gram[:-2]
        both = reach @ pairs @ reach.T  # (n, n)
        # A block's own pairs were counted as different positions; these coincide.
        index = np.arange(len(self))
        shared = nearer(index[:, None], index)
        same = reach @ (gram[-2] - np.diagonal(pairs))
        twin = np.diagonal(both) + reach @ (gram[-1] - np.diagonal(pairs))
        both = both + same[shared]
        return stack(both, np.diagonal(both), twin)


@lru_cache(maxsize=8)
def position_grid(length: int, exact: int = EXACT, growth: float = GROWTH) -> PositionGrid:
    """Return the grid over a sequence of ``length`` tokens, the first ``exact`` of them one by one."""
    starts = list(range(min(length, exact) + 1))
    while starts[-1] < length:
        step = max(1, round(growth * starts[-1]))
        starts.append(length if length - starts[-1] < 1.5 * step else starts[-1] + step)
    return PositionGrid(np.array(starts, dtype=np.int64))


def grid_for_depth(length: int, layers: int) -> PositionGrid:
    """Return the grid that a prediction of so many layers keeps: grams of all sites are held at once."""
    return position_grid(length) if layers <= DEEP else position_grid(length, EXACT // 3, 3 * GROWTH)


def coarse_grid(length: int) -> PositionGrid:
    """Return a grid for how a curve moves, where the curve itself is known from a finer one."""
    return position_grid(length, 8, 0.35)
