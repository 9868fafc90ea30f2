"""How much it matters which learning rate is chosen, after Wortsman et al. (arXiv 2309.14322, section 2.2).

Sensitivity is the expected deviation from the best loss, E[min(loss(η), loss at initialisation) - best], over a log
range of learning rates η. A curve of one seed maps learning rates to losses already clipped (see ``censor``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from initlab.stats.compare import Floats

STABLE_WITHIN_NATS = 0.1
"""A learning rate is stable where the loss is this close to the best one, and no seed diverged."""


@dataclass(frozen=True)
class StableRange:
    """The learning rates around the best one that train as well; ``decades`` is 0 where only one does."""

    low: float
    high: float

    @property
    def decades(self) -> float:
        return math.log10(self.high / self.low)


def sensitivity(curve: Mapping[float, float]) -> float | None:
    """Return the mean of loss minus best loss in nats, None of fewer than two learning rates.

    Every learning rate stands for its neighbourhood on the log axis, so an even grid gives the plain mean.
    """
    if len(curve) < 2:
        return None
    rates = sorted(curve)
    losses = np.array([curve[rate] for rate in rates])
    return float(np.average(losses - losses.min(), weights=_shares(np.log(rates))))


def optimum(curve: Mapping[float, float]) -> float | None:
    """Return the learning rate of the lowest loss, None of no curve.

    Between grid points by the parabola through the lowest and its neighbours on the log axis; at an end of the grid,
    that end: the true optimum may lie beyond.
    """
    if not curve:
        return None
    rates = sorted(curve)
    best = min(range(len(rates)), key=lambda index: curve[rates[index]])
    if best in (0, len(rates) - 1):
        return rates[best]
    x = np.log(rates[best - 1 : best + 2])
    y = np.array([curve[rate] for rate in rates[best - 1 : best + 2]])
    slopes = np.diff(y) / np.diff(x)
    bend = (slopes[1] - slopes[0]) / (x[2] - x[0])
    if bend <= 0:
        return rates[best]
    vertex = (x[0] + x[1]) / 2 - slopes[0] / (2 * bend)
    return float(np.exp(np.clip(vertex, x[0], x[2])))


def stable_range(
    curves: Sequence[Mapping[float, float]], diverged: Mapping[float, int], within: float = STABLE_WITHIN_NATS
) -> StableRange | None:
    """Return the unbroken range of learning rates around the best at which no seed diverged and the mean loss over
    seeds is within ``within`` nats of the best; None where every rate diverges or none is in every curve."""
    rates = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    means = {rate: float(np.mean([curve[rate] for curve in curves])) for rate in rates}
    calm = [rate for rate in rates if not diverged.get(rate, 0)]
    if not calm:
        return None
    best = min(calm, key=lambda rate: means[rate])
    good = [rate in calm and means[rate] <= means[best] + within for rate in rates]
    low = high = rates.index(best)
    while low > 0 and good[low - 1]:
        low -= 1
    while high + 1 < len(rates) and good[high + 1]:
        high += 1
    return StableRange(rates[low], rates[high])


def _shares(x: Floats) -> Floats:
    """Return how much of the axis each point stands for, in x's shape; the ends reach out as far as they reach in."""
    gaps = np.diff(x)
    shares: Floats = (np.concatenate([gaps[:1], gaps]) + np.concatenate([gaps, gaps[-1:]])) / 2
    return shares
