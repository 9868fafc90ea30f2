"""How much it matters which learning rate is chosen, after Wortsman et al. (arXiv 2309.14322, section 2.2).

Sensitivity is the expected deviation from the best loss, E[min(loss(η), loss at initialisation) - best], over a log
range of learning rates η. A curve of one seed maps learning rates to losses already clipped (see ``censor``).

The least of several noisy losses is too low. No seed therefore chooses its own best rate: all take the one at which
their mean is lowest, which leaves the bias of a mean's noise, 1/√n of the other. The limit on the side of that bias
shares its error among all rates that these seeds do not tell apart from the best.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from initlab.stats.brackets import SeedBrackets
from initlab.stats.compare import paired
from initlab.stats.ties import Floats, Resolution

Curve: TypeAlias = Mapping[float, float]
Curves: TypeAlias = Mapping[int, Curve]
"""A curve a seed, all over the same learning rates."""

STABLE_WITHIN_NATS = 0.1
"""A learning rate is stable where the loss is this close to the best one, and no seed diverged."""

RIVAL = 0.025
"""A rate may be the best one where a one-sided paired test at this level does not find it worse."""

EVEN_WITHIN = 1.15
"""A grid is even where its widest gap on the log axis is at most this many times its narrowest: 1, 3, 10 is."""


@dataclass(frozen=True)
class StableRange:
    """The learning rates around the best one that train as well; ``decades`` is 0 where only one does."""

    low: float
    high: float

    @property
    def decades(self) -> float:
        return math.log10(self.high / self.low)


def is_even(rates: Sequence[float]) -> bool:
    """Return whether a grid is even on the log axis."""
    gaps = np.diff(np.log(sorted(rates)))
    return len(gaps) < 2 or bool(gaps.max() <= EVEN_WITHIN * gaps.min())


def sensitivity(curve: Curve, best: float | None = None) -> float | None:
    """Return the mean of loss minus the loss at ``best`` in nats, None of fewer than two learning rates.

    ``best`` is a rate of the grid, the curve's own best where it is not given. Over an even grid the mean is the
    plain one, as in Wortsman et al.; over an uneven one it is the integral over the range by the trapezoid rule.
    """
    if len(curve) < 2:
        return None
    rates = sorted(curve)
    losses = np.array([curve[rate] for rate in rates])
    least = losses.min() if best is None else curve[best]
    return float(np.average(losses - least, weights=_weights(rates)))


def seed_sensitivities(curves: Curves) -> SeedBrackets | None:
    """Return each seed's sensitivity, None of fewer than two learning rates."""
    if not curves or len(next(iter(curves.values()))) < 2:
        return None
    best, rivals = best_rate(curves)
    values = {seed: sensitivity(curve, best) or 0.0 for seed, curve in curves.items()}
    return SeedBrackets(values, values, values, lower_of=rivals)


def best_losses(curves: Curves) -> SeedBrackets:
    """Return each seed's loss at the best rate."""
    best, rivals = best_rate(curves)
    values = {seed: curve[best] for seed, curve in curves.items()}
    return SeedBrackets(values, values, values, upper_of=rivals)


def best_rate(curves: Curves) -> tuple[float, int]:
    """Return the rate at which the mean over seeds is lowest, and how many, it included, might be in its place."""
    losses = {rate: np.array([curve[rate] for curve in curves.values()]) for rate in next(iter(curves.values()))}
    best = min(sorted(losses), key=lambda rate: float(losses[rate].mean()))
    behind = [paired(losses[rate], losses[best]).estimate for rate in losses if rate != best]
    return best, 1 + sum(one is None or one.p_above(0.0) > RIVAL for one in behind)


def optimum(curve: Curve) -> float | None:
    """Return the learning rate of the lowest loss, by the parabola through it and its neighbours on the log axis.

    None at an end of the grid, beyond which it may lie, and of no curve.
    """
    rates = sorted(curve)
    best = min(range(len(rates)), key=lambda index: curve[rates[index]], default=0)
    if not 0 < best < len(rates) - 1:
        return None
    x = np.log(rates[best - 1 : best + 2])
    y = np.array([curve[rate] for rate in rates[best - 1 : best + 2]])
    slopes = np.diff(y) / np.diff(x)
    bend = (slopes[1] - slopes[0]) / (x[2] - x[0])
    vertex = x[1] if bend <= 0 else np.clip((x[0] + x[1]) / 2 - slopes[0] / (2 * bend), x[0], x[2])
    return float(np.exp(vertex))


def stable_range(
    curves: Sequence[Curve], diverged: Mapping[float, int], within: float = STABLE_WITHIN_NATS
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


def stable_widths(
    curves: Curves, diverged: Mapping[int, Mapping[float, int]], within: float = STABLE_WITHIN_NATS
) -> SeedBrackets:
    """Return how many decades are stable in each seed: what the grid shows, up to where the next rates are not.

    Without an upper bound where the range touches an end of the grid, or no rate at all is stable.
    """
    values, highs = {}, {}
    for seed, curve in curves.items():
        found, rates = stable_range([curve], diverged.get(seed, {}), within), sorted(curve)
        values[seed] = found.decades if found else 0.0
        inside = found is not None and rates[0] < found.low and found.high < rates[-1]
        highs[seed] = _outer_decades(rates, found) if found and inside else math.inf
    grid = [math.log10(rate) for rate in sorted(next(iter(curves.values()), {}))]
    step = float(max(np.diff(grid), default=0.0))
    span = grid[-1] - grid[0] if grid else 0.0
    return SeedBrackets(
        values, values, highs, Resolution(step, 0.0, span), Resolution(2 * step, 0.0, span + 2 * step)
    )


def _outer_decades(rates: Sequence[float], stable: StableRange) -> float:
    """Return the width up to the first rates that are not stable."""
    low, high = rates.index(stable.low), rates.index(stable.high)
    return math.log10(rates[high + 1] / rates[low - 1])


def _weights(rates: Sequence[float]) -> Floats:
    """Return the weight of each rate, in their order; they need not sum to 1."""
    if is_even(rates):
        return np.ones(len(rates))
    gaps = np.diff(np.log(rates))
    weights: Floats = (np.concatenate([[0.0], gaps]) + np.concatenate([gaps, [0.0]])) / 2
    return weights
