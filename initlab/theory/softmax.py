"""Softmax of independent Gaussian logits, exactly: the random-energy model.

With φ(u) = E exp(-u eᵃ) and a ~ N(0, x), the sum Z of t exponentials has E exp(-uZ) = φ(u)ᵗ. Since
1/Z² = ∫ u e^{-uZ} du and ln Z = ∫ (e^{-u} - e^{-uZ}) du/u (Frullani), participation ratios and free energies are
one-dimensional integrals, at any t and any variance. All integrals run over y = ln u, where integrands are smooth and
vanish at both ends, so the trapezoid rule converges faster than any power of its step.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_Z = np.linspace(-9, 9, 145)
_Z_WEIGHT = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()
_STEP = 0.1


def participation(variance: Array, count: Array) -> Array:
    """Return I(x, t) = E Σ_s w_s² of a softmax over t logits N(0, x), shape (len(variance), len(count)).

    I = 1/t + (x/t)(1 - 1/t) + O(x²), and 1 when one logit takes all (Derrida 1981's frozen phase, x ≫ 2 ln t).
    """
    return np.array([_participation(float(x), np.asarray(count, dtype=np.float64)) for x in variance])


def _participation(variance: float, count: Array) -> Array:
    y = _grid(variance, float(count.max()))
    share = _exp(y[:, None] + math.sqrt(variance) * _Z)  # u·eᵃ
    log_phi = _log_mean_exp_minus(share)
    psi = (share**2 * np.exp(-share)) @ _Z_WEIGHT  # u²·E e^{2a} e^{-u eᵃ}
    integrand = psi[:, None] * np.exp(np.outer(log_phi, count - 1))
    ratio: Array = np.clip(count * integrand.sum(0) * _STEP, 1 / count, 1.0)
    return ratio


def expected_log_sum(variance: float, count: int, own_mean: float = 0.0, own_variance: float | None = None) -> float:
    """Return E ln(Σ e^{a_v} + e^b) over ``count`` logits a ~ N(0, variance), in nats.

    b ~ N(own_mean, own_variance) is one more logit; without ``own_variance`` there is none.
    """
    y = _grid(max(variance, own_variance or 0.0), count, own_mean if own_variance is not None else 0.0)
    log_all = count * _log_mean_exp_minus(_exp(y[:, None] + math.sqrt(variance) * _Z))
    if own_variance is not None:
        log_all = log_all + _log_mean_exp_minus(_exp(y[:, None] + own_mean + math.sqrt(own_variance) * _Z))
    return float((np.exp(-_exp(y)) - np.exp(log_all)).sum() * _STEP)


def own_probability(variance: float, count: int, own_mean: float, own_variance: float) -> float:
    """Return E e^b / (Σ e^{a_v} + e^b), the probability that a softmax gives to the logit b."""
    y = _grid(max(variance, own_variance), count, own_mean)
    log_rest = count * _log_mean_exp_minus(_exp(y[:, None] + math.sqrt(variance) * _Z))
    share = _exp(y[:, None] + own_mean + math.sqrt(own_variance) * _Z)
    return float(((share * np.exp(-share)) @ _Z_WEIGHT * np.exp(log_rest)).sum() * _STEP)


def _grid(variance: float, count: float, own_mean: float = 0.0) -> Array:
    reach = 9 * math.sqrt(variance)
    return np.arange(-math.log(count + 1) - reach - max(own_mean, 0.0) - 30, 5 + reach, _STEP)


def _exp(x: Array) -> Array:
    """Cut off where exp(-exp(x)) has long been 0."""
    return np.exp(np.minimum(x, 300.0))


def _log_mean_exp_minus(share: Array) -> Array:
    """ln E exp(-share), precise where it is almost 0."""
    logarithm: Array = np.log1p(np.maximum(np.expm1(-share) @ _Z_WEIGHT, -1 + 1e-16))
    return logarithm


class Sharpening:
    """How much more than linearly in x two softmaxes over the same tokens agree, for all t up to ``longest``.

    ``gain(x, t) = (I(x, t) - 1/t) / ((x/t)(1 - 1/t))``, 1 at small x; from a table in (ln t, √x).
    """

    ROOTS = np.concatenate([np.linspace(0, 3, 25), np.linspace(3.25, 10, 28)])

    def __init__(self, longest: int) -> None:
        times = np.unique(np.geomspace(2, max(longest, 3), 40).round())
        self._log_times = np.log(times)
        even = 1 / times
        excess = participation(self.ROOTS[1:] ** 2, times) - even
        gains = excess / (self.ROOTS[1:, None] ** 2 * even * (1 - even))
        self._log_gains = np.log(np.concatenate([np.ones((1, len(times))), gains]))

    def gain(self, variance: Array, time: Array) -> Array:
        """Return the gain, entry by entry; variances above 100 count as 100, where one token takes all."""
        row, up = _cell(self.ROOTS, np.sqrt(np.clip(variance, 0, 100)))
        column, right = _cell(self._log_times, np.log(np.maximum(time, 2)))
        table, width = self._log_gains.ravel(), self._log_gains.shape[1]
        corner = row * width + column
        low = table[corner] * (1 - right) + table[corner + 1] * right
        high = table[corner + width] * (1 - right) + table[corner + width + 1] * right
        gain: Array = np.exp(low * (1 - up) + high * up)
        return gain

    def participation(self, variance: Array, time: Array) -> Array:
        """Return I(x, t) from the same table; I(x, 1) = 1."""
        return from_gain(self.gain(variance, time), variance, time)


def from_gain(gain: Array, variance: Array, time: Array) -> Array:
    """Return the participation ratio that has this gain."""
    even = 1 / np.maximum(time, 1)
    return even + np.clip(variance, 0, 100) * even * (1 - even) * gain


def _cell(grid: Array, at: Array) -> tuple[npt.NDArray[np.intp], Array]:
    cell = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    return cell, np.clip((at - grid[cell]) / (grid[cell + 1] - grid[cell]), 0, 1)


@lru_cache(maxsize=8)
def sharpening(longest: int) -> Sharpening:
    return Sharpening(longest)
