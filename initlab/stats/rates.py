"""How often something happens to a run, from a few runs: exact limits, and what so few cannot see."""

import math
from dataclasses import dataclass

from initlab.stats.summaries import Interval

RARE = 0.1
"""The rate of failure that reports take as their example of what a few seeds miss: one run in ten."""


@dataclass(frozen=True)
class Rate:
    """``events`` of ``n`` runs: an estimate like any other, with Clopper and Pearson's limits (1934)."""

    events: int
    n: int

    exact = False

    @property
    def value(self) -> float:
        return self.events / self.n

    @property
    def gap(self) -> Interval:
        """What no number of runs would narrow: the rate alone."""
        return Interval(self.value, self.value)

    @property
    def sd(self) -> float:
        return math.sqrt(self.value * (1 - self.value))

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the exact interval, a limit on both sides."""
        return rate_interval(self.events, self.n, confidence)

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of "the rate is at most ``bound``": the chance of as many events or more."""
        return _at_least(self.events, self.n, bound)

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of "the rate is at least ``bound``": the chance of as few events or fewer."""
        return _at_least(self.n - self.events, self.n, 1 - bound)

    def describe(self, what: str, confidence: float = 0.95) -> str:
        """Return ``0 of 5 diverged; at most 52% would at 95%``; both limits where some did and some did not."""
        low, high = self.interval(confidence)
        limits = {
            0: f"at most {high:.0%} would",
            self.n: f"at least {low:.0%} would",
        }.get(self.events, f"between {low:.0%} and {high:.0%} would")
        return f"{self.events} of {self.n} {what}; {limits} at {100 * confidence:.3g}%"


def rate_interval(events: int, n: int, confidence: float = 0.95) -> Interval:
    """Return Clopper and Pearson's interval of a rate.

    It covers at least as often as it says and, for so few runs, mostly more: no interval of a rate covers 93-97% at
    every true rate for ten runs or fewer. Raises ValueError without runs.
    """
    if not 0 <= events <= n or n == 0:
        raise ValueError(f"{events} events of {n} runs have no rate")
    from scipy.special import betaincinv  # a second to import

    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(betaincinv(events, n - events + 1, tail))
    high = 1.0 if events == n else float(betaincinv(events + 1, n - events, 1 - tail))
    return Interval(low, high)


def unseen(rate: float, n: int) -> float:
    """Return the chance that ``n`` independent runs show nothing of a failure that strikes a share ``rate``."""
    return float((1 - rate) ** n)


def blind_spot(n: int) -> str:
    """Say what ``n`` seeds cannot see, whatever their interval says."""
    return (
        f"What {n} seed{'s' * (n != 1)} cannot see: a failure of one run in ten leaves no trace in "
        f"{unseen(RARE, n):.0%} of such sweeps; clean seeds exclude, at 95%, only rates above "
        f"{rate_interval(0, n).high:.0%}. Intervals of means take seeds for roughly normal: of strongly skewed ones "
        "they hold the mean in some 84% of sweeps instead of 95%."
    )


def _at_least(events: int, n: int, rate: float) -> float:
    """Return the chance of ``events`` or more of ``n`` at a rate."""
    if events == 0 or rate >= 1:
        return 1.0
    if rate <= 0:
        return 0.0
    from scipy.special import betainc  # a second to import

    return float(betainc(events, n - events + 1, rate))
