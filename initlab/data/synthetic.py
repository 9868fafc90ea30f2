"""The built-in source: text without end whose best reachable loss is known exactly.

Every symbol is one of
    plain      local structure: a first-order chain whose rows are Zipf laws bent by the symbol before,
    write op   ``<`` for register 0, then ``(``, ``[``, ``{``: the next symbol is a fresh value, and is stored there,
    recall op  ``>`` for register 0, then ``)``, ``]``, ``}``: the next symbol is the value stored there,
    value      each register has value symbols of its own, so a value shows whose it is.

*The skeleton* replaces each value by its register. It is a Markov chain whose state shows in the last symbol, and
what follows a value depends on the register alone. So values are all that tells what the registers hold, and a
register without a value in sight still follows the value law.

*Entropy.* Let P be the chain, π its stationary law and H(v) the entropy of the value law. Given the endless past
every register is known, so a recall is free and a write costs H(v):

    entropy_rate = Σ_s π(s) H(P(s, ·)) + H(v) Σ_r π(write r).

A reader of X_1..X_t alone still knows the skeleton's state, which shows in X_t. What he pays on top is H(v) whenever
X_t recalls a register of which X_1..X_t hold no value. The window may begin anywhere: a value as its first symbol
reveals the register like any other, although the op before it is out of sight, for written or recalled it is what the
register now holds; an op as its first symbol reveals nothing. Hence, with D_r striking out the value state of r,

    H(X_{t+1} | X_1..X_t) = entropy_rate + H(v) Σ_r [π D_r (P D_r)^(t-1)](recall r),

and ``floor(T)``, its mean over t = 1..T, is a geometric series of matrices. At T = 1 it is the entropy of a bigram
model, and it falls to the entropy rate as T grows. Both are expectations over the source: no reader of fresh text
does better on average, though one that memorises a finite training stretch may do so there.

The draws use integers alone, from the raw stream of Philox, which numpy keeps fixed: the text is the same on every
platform and under every version of Python and numpy.

    >>> source = Source()
    >>> text, best_loss_nats = render(source.generate(200, seed=0)), source.floor(64)
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

ALPHABET = " abcdefghijklmnopqrstuvw" + "<([{" + ">)]}" + "01234567" + "ABCDEFGH" + "JKLMNPQR" + "STUVWXYZ"
"""One printable character per symbol of the default source, in the order of the token ids."""

_BITS = 12
_TOTAL = 1 << _BITS
"""Every probability is an integer over this."""

_OP_SHARE = 704
"""Of 4096, after anything but an op: one symbol in seven is then an op, and one in seven a value."""

_RECALLS_PER_WRITE = 3

_BURN_IN = 1024
"""Symbols drawn and dropped. The chain forgets its start far sooner, so what is kept is stationary to float64."""

_LCM = 5_354_228_880
"""lcm(1, ..., 24): over any rank of the default source it stays whole, so Zipf's weights are exact integers."""

_ROWS_KEY = (0x726F7773, 0)
_TEXT_PURPOSE = 0x74657874


@dataclass(frozen=True)
class Source:
    """The source by its sizes. The defaults are the corpus ``synthetic``; a tiny one can be enumerated in a test.

    Token ids: plain symbols, write ops by register, recall ops by register, then values, register by register.
    Skeleton states are numbered alike, with one state for all values of a register.
    """

    n_plain: int = 24
    n_registers: int = 4
    n_values: int = 8

    @property
    def first_recall(self) -> int:
        """Id of the first recall op."""
        return self.n_plain + self.n_registers

    @property
    def first_value(self) -> int:
        """Id of the first value token, and number of the first value state."""
        return self.n_plain + 2 * self.n_registers

    @property
    def vocab_size(self) -> int:
        return self.first_value + self.n_registers * self.n_values

    @property
    def n_states(self) -> int:
        return self.first_value + self.n_registers

    @cached_property
    def value_counts(self) -> npt.NDArray[np.int64]:
        """Shape (n_values,): the law of written values, out of 4096."""
        return _apportion(_zipf(self.n_values, shift=3), _TOTAL)

    @cached_property
    def skeleton_counts(self) -> npt.NDArray[np.int64]:
        """Shape (n_states, n_states): the transitions of the skeleton, out of 4096 a row."""
        counts = np.zeros((self.n_states, self.n_states), dtype=np.int64)
        registers = _zipf(self.n_registers, shift=1)
        ops = _apportion(np.concatenate([registers, _RECALLS_PER_WRITE * registers]), _OP_SHARE)
        # Each row ranks the symbols in an order of its own (64-bit draws do not tie). Times Zipf it stays Zipf-like.
        rank = _philox(_ROWS_KEY, self.n_states * self.n_plain).reshape(self.n_states, -1).argsort(axis=1)
        for state in range(self.n_states):
            if self.n_plain <= state < self.first_value:
                register = (state - self.n_plain) % self.n_registers
                counts[state, self.first_value + register] = _TOTAL
            else:
                weights = _zipf(self.n_plain) // (1 + rank[state])
                counts[state, : self.n_plain] = _apportion(weights, _TOTAL - _OP_SHARE)
                counts[state, self.n_plain : self.first_value] = ops
        return counts

    def generate(self, n_tokens: int, *, seed: int) -> npt.NDArray[np.uint8]:
        """Draw ids of shape (n_tokens,). A longer text of the same seed begins with the shorter one."""
        raw = _philox((seed, _TEXT_PURPOSE), self.n_registers + _BURN_IN + n_tokens)
        # One raw word per symbol: its low bits move the skeleton, the next ones are the value, should one be written.
        low = np.uint64(_TOTAL - 1)
        value_of = np.repeat(np.arange(self.n_values), self.value_counts)
        initial, fresh = np.split(value_of[(raw >> np.uint64(_BITS)) & low], [self.n_registers])
        states = self._walk((raw & low)[self.n_registers :])
        tokens = states.copy()
        for register in range(self.n_registers):
            at = np.flatnonzero(states == self.first_value + register)
            # The latest write stands until the next: carry its place forward. (at > 0: the walk starts at a plain
            # symbol, which no value follows.)
            latest = np.maximum.accumulate(np.where(states[at - 1] == self.n_plain + register, at, -1))
            stored = np.where(latest < 0, initial[register], fresh[latest])
            tokens[at] = self.first_value + register * self.n_values + stored
        return tokens[_BURN_IN:].astype(np.uint8)

    def _walk(self, draws: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Run the skeleton from state 0, one uniform draw in [0, 4096) a step; return the states after each.

        In pieces side by side, a step of all at once. Where a piece begins is known from the draws before it: a few
        dozen lead every state to the same one.
        """
        numbers = np.arange(self.n_states)
        successor = np.stack([np.repeat(numbers, row) for row in self.skeleton_counts])
        n_pieces = max(1, math.isqrt(len(draws)))
        length = -(-len(draws) // n_pieces)
        pieces = np.zeros((n_pieces, length), dtype=np.int64)
        pieces.flat[: len(draws)] = draws
        walk = np.empty((length, n_pieces), dtype=np.int64)
        states = self._starts(successor, pieces)
        for step, column in enumerate(np.ascontiguousarray(pieces.T)):
            walk[step] = states = successor[states, column]
        return walk.T.ravel()[: len(draws)]

    def _starts(self, successor: npt.NDArray[np.int64], pieces: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the state that each of the pieces, (n, length) draws, begins in."""
        length, lead = pieces.shape[1], 32
        while True:
            reached = np.tile(np.arange(self.n_states), (len(pieces) - 1, 1))
            for column in pieces[:-1, -lead:].T:
                reached = successor[reached, column[:, None]]
            if lead >= length or (reached == reached[:, :1]).all():
                break
            lead *= 2
        starts = [0]
        for row in reached.tolist():
            starts.append(row[starts[-1]])
        return np.array(starts)

    @cached_property
    def stationary(self) -> npt.NDArray[np.float64]:
        """Shape (n_states,): how often the skeleton is in each state."""
        balance = self.skeleton_counts.T / _TOTAL - np.eye(self.n_states)
        balance[-1] = 1.0  # one balance equation follows from the others: put "sums to one" in its place
        return np.linalg.solve(balance, np.eye(self.n_states)[-1])

    @cached_property
    def unigram(self) -> npt.NDArray[np.float64]:
        """Shape (vocab_size,): how often each token occurs."""
        values = np.outer(self.stationary[self.first_value :], self.value_counts / _TOTAL)
        return np.concatenate([self.stationary[: self.first_value], values.ravel()])

    @property
    def recall_nats(self) -> float:
        """What the registers are worth: nats per token that a reader without memory pays above the entropy rate."""
        return self._value_nats * float(self.stationary[self.first_recall : self.first_value].sum())

    @cached_property
    def entropy_rate(self) -> float:
        """Nats per token, given the endless past."""
        steps = sum(p * entropy(row / _TOTAL) for p, row in zip(self.stationary, self.skeleton_counts, strict=True))
        writes = self.stationary[self.n_plain : self.first_recall].sum()
        return float(steps + self._value_nats * writes)

    def floor(self, block_size: int) -> float:
        """Nats per token of the ideal reader of windows of block_size symbols (the module says why)."""
        unrevealed = 0.0  # expected recalls, in a window, of a register not yet revealed
        for register in range(self.n_registers):
            kept = np.arange(self.n_states) != self.first_value + register
            taboo = self.skeleton_counts[np.ix_(kept, kept)] / _TOTAL
            start = self.stationary[kept]
            # Σ_{t<T} start·tabooᵗ = start (1 - tabooᵀ)(1 - taboo)⁻¹
            end = start @ np.linalg.matrix_power(taboo, block_size)
            visits = np.linalg.solve(np.eye(len(start)) - taboo.T, start - end)
            unrevealed += float(visits[self.first_recall + register])
        return self.entropy_rate + self._value_nats * unrevealed / block_size

    @property
    def _value_nats(self) -> float:
        return entropy(self.value_counts / _TOTAL)


def entropy(law: npt.NDArray[np.float64]) -> float:
    """Return the entropy of a probability vector, in nats."""
    positive = law[law > 0]
    return float(-(positive * np.log(positive)).sum())


def render(tokens: npt.NDArray[np.unsignedinteger]) -> str:
    """Return tokens of the default source as text."""
    return "".join(ALPHABET[token] for token in tokens.tolist())


def _zipf(n: int, shift: int = 0) -> npt.NDArray[np.int64]:
    """Weights 1 / (rank + shift). The shifts (Mandelbrot's) keep the rarest values of the rarest register in line
    with the rest: the symbols together then follow 1 / rank^0.94 within 0.04 nats."""
    weights: npt.NDArray[np.int64] = _LCM // np.arange(1 + shift, n + 1 + shift, dtype=np.int64)
    return weights


def _apportion(weights: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """Split `total` in proportion to the weights, at least one each, what is left to the largest."""
    counts: npt.NDArray[np.int64] = np.maximum(1, weights * total // weights.sum())
    counts[weights.argmax()] += total - counts.sum()
    return counts


def _philox(key: tuple[int, int], n: int) -> npt.NDArray[np.uint64]:
    words: npt.NDArray[np.uint64] = np.random.Philox(key=np.array(key, dtype=np.uint64)).random_raw(n)
    return words
