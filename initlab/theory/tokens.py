"""What theory needs to know of a text: how often two of its tokens are the same one."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from initlab.errors import InitlabError

Array = npt.NDArray[np.float64]

SAMPLE = 1 << 18
"""TokenStatistics read of a longer corpus: a share of .06 is then known to ±.001 at every lag."""

WINDOWS = 512
"""Windows whose scatter is looked at."""


@dataclass(frozen=True)
class TokenStatistics:
    """How often tokens agree: ``collision`` = Σ_v p_v² for two far tokens, ``lags[k - 1]`` for tokens k apart.

    Both are probabilities. Beyond the lags given, ``collision`` holds. ``triple`` = Σ_v p_v³ is the chance that three
    agree; where it is not given, the least that goes with the collisions, collision². ``window_scatter`` is the
    standard deviation, from one window of a text to another, of the share of its pairs that agree; None of
    independent tokens, where it follows from the rest.
    """

    vocab_size: int
    collision: float
    lags: tuple[float, ...] = ()
    triple: float = 0.0
    window_scatter: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "triple", max(self.triple, self.collision**2))  # Σp³ ≥ (Σp²)²

    @classmethod
    def uniform(cls, vocab_size: int) -> "TokenStatistics":
        """Independent tokens, each equally likely."""
        return cls(vocab_size, 1 / vocab_size)

    @classmethod
    def zipf(cls, vocab_size: int, exponent: float = 1.0) -> "TokenStatistics":
        """Independent tokens of probability ∝ 1 / rank^exponent."""
        weight = np.arange(1, vocab_size + 1, dtype=np.float64) ** -exponent
        share = weight / weight.sum()
        return cls(vocab_size, float((share**2).sum()), triple=float((share**3).sum()))

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
        scatter = _window_scatter(sample, min(longest, size))
        return cls(vocab_size, float((counts**2).sum()), tuple(lags), float((counts**3).sum()), scatter)

    @property
    def next_equal(self) -> float:
        """Chance that a token is its own target."""
        return self.lags[0] if self.lags else self.collision

    @property
    def independent(self) -> bool:
        """Whether neighbours agree as rarely as far tokens."""
        return not self.lags

    @property
    def unequal(self) -> float:
        """Variance of 1[two tokens agree] less what each token's own frequency says of it: P₂ + P₂² - 2P₃."""
        return max(self.collision + self.collision**2 - 2 * self.triple, 0.0)

    def scatter(self, length: int, batch: int) -> float:
        """Return the standard deviation of the share of equal pairs s ≠ t in ``batch`` sequences.

        Of independent tokens that share is a U-statistic, of variance (2/T(T-1))·(2(T-2)·(P₃ - P₂²) + P₂ - P₂²) in a
        sequence (Hoeffding 1948).
        """
        if length < 2:
            return 0.0
        if self.window_scatter is not None:
            return self.window_scatter / math.sqrt(batch)
        frequency = max(self.triple - self.collision**2, 0.0)
        chance = self.collision * (1 - self.collision)
        return math.sqrt(2 / (length * (length - 1) * batch) * (2 * (length - 2) * frequency + chance))

    def shifted(self, more: float) -> "TokenStatistics":
        """Return the statistics of a text in which two tokens agree so much more often."""
        collision, *lags = (min(share + more, 1.0) for share in (self.collision, *self.lags))
        return replace(self, collision=collision, lags=tuple(lags), triple=max(self.triple, collision**2))

    def by_lag(self, count: int) -> Array:
        """Return P(tokens k apart agree) for k = 0..count-1, shape (count,); lag 0 is 1."""
        known = np.array([1.0, *self.lags])[:count]
        return np.concatenate([known, np.full(count - len(known), self.collision)])


def _window_scatter(sample: npt.NDArray[np.integer], length: int) -> float:
    """Return the standard deviation of the share of equal pairs over windows of ``length`` tokens of stretches."""
    if length < 2:
        return 0.0
    starts = np.linspace(0, sample.shape[1] - length, max(1, WINDOWS // len(sample))).astype(np.int64)
    shares = []
    for start in starts:
        for window in sample[:, start : start + length]:
            counts = np.unique(window, return_counts=True)[1]
            shares.append(float((counts * (counts - 1)).sum()) / (length * (length - 1)))
    return float(np.std(shares))
