"""What theory needs to know of a text: how often two of its tokens are the same one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from initlab.errors import InitlabError

Array = npt.NDArray[np.float64]

SAMPLE = 1 << 18
"""TokenStatistics read of a longer corpus: a share of .06 is then known to ±.001 at every lag."""


@dataclass(frozen=True)
class TokenStatistics:
    """How often tokens agree: ``collision`` = Σ_v p_v² for two far tokens, ``lags[k - 1]`` for tokens k apart.

    Both are probabilities. Beyond the lags given, ``collision`` holds.
    """

    vocab_size: int
    collision: float
    lags: tuple[float, ...] = ()

    @classmethod
    def uniform(cls, vocab_size: int) -> "TokenStatistics":
        """Independent tokens, each equally likely."""
        return cls(vocab_size, 1 / vocab_size)

    @classmethod
    def zipf(cls, vocab_size: int, exponent: float = 1.0) -> "TokenStatistics":
        """Independent tokens of probability ∝ 1 / rank^exponent."""
        weight = np.arange(1, vocab_size + 1, dtype=np.float64) ** -exponent
        return cls(vocab_size, float(((weight / weight.sum()) ** 2).sum()))

    @classmethod
    def from_ids(cls, ids: npt.NDArray[np.integer], vocab_size: int, longest: int) -> "TokenStatistics":
        """Count a corpus of ``ids``, shape (tokens,), lags up to ``longest``, in stretches spread evenly over it.

        Raises InitlabError of fewer than two tokens.
        """
        stretches = max(1, min(16, len(ids) // (2 * longest + 2)))
        size = min(len(ids), SAMPLE) // stretches
        if size < 2:
            raise InitlabError("token statistics need at least two tokens")
        starts = np.linspace(0, len(ids) - size, stretches).astype(np.int64)
        sample = np.stack([np.asarray(ids[start : start + size]) for start in starts])
        counts = np.bincount(sample.ravel().astype(np.int64), minlength=vocab_size) / sample.size
        lags = [float((sample[:, :-k] == sample[:, k:]).mean()) for k in range(1, min(longest + 1, size))]
        return cls(vocab_size, float((counts**2).sum()), tuple(lags))

    @property
    def next_equal(self) -> float:
        """Chance that a token is its own target."""
        return self.lags[0] if self.lags else self.collision

    @property
    def independent(self) -> bool:
        """Whether neighbours agree as rarely as far tokens."""
        return not self.lags

    def by_lag(self, count: int) -> Array:
        """Return P(tokens k apart agree) for k = 0..count-1, shape (count,); lag 0 is 1."""
        known = np.array([1.0, *self.lags])[:count]
        return np.concatenate([known, np.full(count - len(known), self.collision)])
