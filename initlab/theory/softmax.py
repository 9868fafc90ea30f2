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

_STEP = 0.1
_REACH = 9.0
"""Standard deviations to which a normal is integrated."""
_LARGEST = 20.0
"""Standard deviation of the logits up to which the integrals are done; beyond it one logit takes nearly all, and what
the others take falls with 1/std."""


def participation(variance: Array, count: Array) -> Array:
    """Return I(x, t) = E Σ_s w_s² of a softmax over t logits N(0, x), shape (len(variance), len(count)).

    I = 1/t + (x/t)(1 - 1/t) + O(x²), and 1 when one logit takes all (Derrida 1981's frozen phase, x ≫ 2 ln t).
    """
    return np.array([_participation(float(x), np.asarray(count, dtype=np.float64)) for x in variance])


def participation_at(variance: Array, count: int) -> Array:
    """Return I(x, count) for variances of any shape, from a table."""
    top = max(float(variance.max()), 1e-9)
    # A ladder of tables, so that calls share them. ln I is smoother in x than I.
    grid, logarithms = _participation_table(2.0 ** math.ceil(math.log2(top)), count)
    return np.asarray(np.exp(np.interp(np.maximum(variance, 0), grid, logarithms)))


@lru_cache(maxsize=64)
def _participation_table(top: float, count: int) -> tuple[Array, Array]:
    """Return variances up to ``top``, and ln I at each."""
    grid = np.linspace(0, top, 33)
    return grid, np.log(participation(grid, np.array([float(count)]))[:, 0])


def _participation(variance: float, count: Array) -> Array:
    std = min(math.sqrt(variance), _LARGEST)
    z, weight = _normal(std)
    y = _grid(std, float(count.max()))
    share = _exp(y[:, None] + std * z)  # u·eᵃ
    log_phi = _log_mean_exp_minus(share, weight)
    psi = (share**2 * np.exp(-share)) @ weight  # u²·E e^{2a} e^{-u eᵃ}
    integrand = psi[:, None] * np.exp(np.outer(log_phi, count - 1))
    ratio: Array = np.clip(count * integrand.sum(0) * _STEP, 1 / count, 1.0)
    return ratio if variance <= _LARGEST**2 else 1 - (1 - ratio) * _LARGEST / math.sqrt(variance)


def expected_log_sum(
    variance: float,
    count: int,
    own_mean: float = 0.0,
    own_variance: float | None = None,
    *,
    softcap: float | None = None,
) -> float:
    """Return E ln(Σ e^{a_v} + e^b) over ``count`` logits a ~ N(0, variance), in nats.

    b ~ N(own_mean, own_variance) is one more logit; without ``own_variance`` there is none. A ``softcap`` makes
    softcap·tanh(logit / softcap) of every logit.
    """
    std, own_std = math.sqrt(variance), math.sqrt(own_variance or 0.0)
    if softcap is None and max(std, own_std, own_mean / _REACH) > _LARGEST:
        return _frozen_log_sum(std, count, own_mean, None if own_variance is None else own_std)
    z, weight = _normal(std)
    y = _grid(max(std, own_std), count, own_mean if own_variance is not None else 0.0)
    log_all = count * _log_mean_exp_minus(_exp(y[:, None] + capped(std * z, softcap)), weight)
    if own_variance is not None:
        z, weight = _normal(own_std)
        own = capped(own_mean + own_std * z, softcap)
        log_all = log_all + _log_mean_exp_minus(_exp(y[:, None] + own), weight)
    return float((np.exp(-_exp(y)) - np.exp(log_all)).sum() * _STEP)


def own_probability(
    variance: float, count: int, own_mean: float, own_variance: float, *, softcap: float | None = None
) -> float:
    """Return E e^b / (Σ e^{a_v} + e^b), the probability that a softmax gives to the logit b."""
    std, own_std = math.sqrt(variance), math.sqrt(own_variance)
    own_z, own_weight = _normal(own_std)
    if softcap is None and max(std, own_std, own_mean / _REACH) > _LARGEST:  # it has it where it is the largest
        above = _normal_cdf((own_mean + own_std * own_z) / max(std, 1e-300))
        return float(own_weight @ above**count)
    z, weight = _normal(std)
    y = _grid(max(std, own_std), count, own_mean)
    log_rest = count * _log_mean_exp_minus(_exp(y[:, None] + capped(std * z, softcap)), weight)
    share = _exp(y[:, None] + capped(own_mean + own_std * own_z, softcap))
    return float(((share * np.exp(-share)) @ own_weight * np.exp(log_rest)).sum() * _STEP)


def capped(logits: Array, softcap: float | None) -> Array:
    """Return the logits under a soft-cap, where there is one."""
    return logits if softcap is None else softcap * np.tanh(logits / softcap)


def capped_moments(mean: float, variance: float, softcap: float | None) -> tuple[float, float]:
    """Return the second moment of a logit N(mean, variance) under a soft-cap, and that of the soft-cap's slope."""
    if softcap is None:
        return mean * mean + variance, 1.0
    z, weight = _normal(math.sqrt(variance) / softcap)
    share = np.tanh(mean / softcap + math.sqrt(variance) / softcap * z)
    return softcap * softcap * float(weight @ share**2), float(weight @ (1 - share**2) ** 2)


def _frozen_log_sum(std: float, count: int, own_mean: float, own_std: float | None) -> float:
    """Return E of the largest logit, and what the others add to it: that falls with 1/std."""
    known = min(std, _LARGEST)
    others = (expected_log_sum(known * known, count) - _mean_largest(known, count)) * min(
        1.0, known / max(std, 1e-300)
    )
    if own_std is None:
        return _mean_largest(std, count) + others
    z, weight = _normal(own_std)
    own = own_mean + own_std * z
    return float(weight @ (own + _mean_above(own - others, std, count)))  # max(a, b) = b + (a - b)₊


def _mean_largest(std: float, count: int) -> float:
    return float(_mean_above(np.array([-_REACH * std]), std, count)[0]) - _REACH * std


def _mean_above(bounds: Array, std: float, count: int) -> Array:
    """Return E max(A - bound, 0) for A the largest of ``count`` logits N(0, std²), for each bound."""
    x = np.linspace(-_REACH, _REACH, 3601)
    missing = 1 - _normal_cdf(x) ** count  # P(A > x·std)
    trapezoids = (missing[1:] + missing[:-1]) / 2 * (x[1] - x[0])
    above = np.append(np.cumsum(trapezoids[::-1])[::-1], 0.0)
    at = bounds / max(std, 1e-300)
    mean: Array = std * (np.interp(at, x, above) + np.maximum(x[0] - at, 0.0))
    return mean


def _normal(std: float) -> tuple[Array, Array]:
    """Return nodes and weights of a standard normal, so close that e^(std·z) changes by little between them."""
    z = np.linspace(-_REACH, _REACH, max(145, 2 * math.ceil(min(std, 10 * _LARGEST) * _REACH) + 1))
    weight = np.exp(-(z**2) / 2)
    return z, weight / weight.sum()


def _normal_cdf(x: Array) -> Array:
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in np.clip(x, -38, 38)])


def _grid(std: float, count: float, own_mean: float = 0.0) -> Array:
    reach = _REACH * std
    return np.arange(-math.log(count + 1) - reach - max(own_mean, 0.0) - 30, 5 + reach, _STEP)


def _exp(x: Array) -> Array:
    """Cut off where exp(-exp(x)) has long been 0."""
    return np.exp(np.minimum(x, 300.0))


def _log_mean_exp_minus(share: Array, weight: Array) -> Array:
    """ln E exp(-share), precise where it is almost 0."""
    logarithm: Array = np.log1p(np.maximum(np.expm1(-share) @ weight, -1 + 1e-16))
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
