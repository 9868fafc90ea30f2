"""One number over many cells: interquartile mean and stratified bootstrap (Agarwal et al., arXiv 2108.13264)."""

from collections.abc import Sequence

import numpy as np

from initlab.stats.compare import Floats, t_quantile
from initlab.stats.summaries import Interval

FEWEST_CELLS = 10
"""With fewer cells the interval covers less than 93%: none is given then."""


def interquartile_mean(values: Sequence[float] | Floats) -> float:
    """Return the mean of the middle half; a value on the edge of the half counts for its share inside.

    Unaffected by a quarter of wild values on either side. Raises ValueError of no values.
    """
    array = np.asarray(values, float)
    if not array.size:
        raise ValueError("expected values to take the interquartile mean of")
    return float(_middle_means(array.reshape(1, -1))[0])


def iqm_interval(
    cells: Sequence[Sequence[float]], *, seed: int = 0, resamples: int = 2000, confidence: float = 0.95
) -> Interval | None:
    """Return the bootstrap interval of the interquartile mean over all runs of all cells.

    Runs are drawn again within each cell, n - 1 of its n: the variance of a mean of n - 1 draws from n values is then
    exactly that of a mean of n runs, where drawing n would understate it by a third at n = 3 (McCarthy and Snowden
    1985; Rao and Wu 1988). The quantiles are those of Student's t (Hesterberg 2015, "expanded percentile").
    Cells count as independent: where they share seeds, reduce every seed to one number and use Student's interval
    over seeds instead. None where a cell has one run, or of too few cells.
    """
    arrays = [np.asarray(cell, float) for cell in cells]
    if min((len(array) for array in arrays), default=0) < 2 or len(arrays) < FEWEST_CELLS:
        return None
    generator = np.random.default_rng(seed)
    # Resamples of each cell: (runs,) -> (resamples, runs - 1).
    drawn = [array[generator.integers(len(array), size=(resamples, len(array) - 1))] for array in arrays]
    means = _middle_means(np.concatenate(drawn, axis=1))  # (resamples,)
    tail = _expanded_tail((1 - confidence) / 2, sum(len(array) - 1 for array in arrays))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _expanded_tail(tail: float, df: int) -> float:
    """Return the normal's tail beyond Student's quantile: a bootstrap knows the spread no better than a t test."""
    from scipy.special import ndtr  # a second to import

    return float(ndtr(t_quantile(tail, df)))


def _middle_means(rows: Floats) -> Floats:
    """Return each row's interquartile mean; rows has shape (resamples, values)."""
    count = rows.shape[1]
    edges = np.arange(count + 1)
    inside = np.clip(np.minimum(edges[1:], 0.75 * count) - np.maximum(edges[:-1], 0.25 * count), 0, None)
    means: Floats = np.sort(rows, axis=1) @ inside / inside.sum()
    return means
