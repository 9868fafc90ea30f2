"""What a number of seeds can show, and how many seeds an effect needs: paired t tests, from the noncentral t."""

import math

from initlab.stats.compare import t_quantile

MOST_SEEDS = 10_000
"""Seeds beyond which the search ends: nobody trains as many."""


def power(effect: float, sd: float, n: int, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided paired t test over ``n`` seeds detects ``effect``.

    ``sd`` is the standard deviation of the paired differences, in the unit of the effect.
    """
    if n < 2:
        return 0.0
    if sd == 0:
        return 1.0 if effect else alpha
    from scipy.special import nctdtr  # a second to import

    cut, shift = t_quantile(1 - alpha / 2, n - 1), abs(effect) / sd * math.sqrt(n)
    if shift > cut + 37:  # scipy's noncentral t loses its tail there; the answer is 1 to all digits
        return 1.0
    lower = float(nctdtr(n - 1, shift, -cut))
    return 1 - float(nctdtr(n - 1, shift, cut)) + (0.0 if math.isnan(lower) else lower)


def minimum_detectable_difference(sd: float, n: int, alpha: float = 0.05, target: float = 0.8) -> float | None:
    """Return the smallest difference that ``n`` seeds detect with power ``target``, None of fewer than two seeds.

    In the unit of ``sd``, the standard deviation of the paired differences.
    """
    if n < 2:
        return None
    low, high = 0.0, 1.0  # in units of sd
    while power(high, 1.0, n, alpha) < target:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, 1.0, n, alpha) < target else (low, middle)
    return high * sd


def seeds_needed(effect: float, sd: float, alpha: float = 0.05, target: float = 0.8) -> int | None:
    """Return the fewest seeds that detect ``effect`` with the power ``target``, None where ten thousand do not."""
    if effect == 0:
        return None
    low, high = 1, 2
    while power(effect, sd, high, alpha) < target:
        if high >= MOST_SEEDS:
            return None
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(effect, sd, middle, alpha) < target else (low, middle)
    return high
