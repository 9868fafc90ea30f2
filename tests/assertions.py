"""Domain assertions with tolerances computed from the sample, never guessed."""

import math
from statistics import NormalDist

import torch
from torch import Tensor

from initlab.network.laws import Constant, Dist

FALSE_ALARM = 1e-6
"""Chance that a whole family of comparisons, all of them true, reports one as false."""


def sigmas(comparisons: int, false_alarm: float = FALSE_ALARM) -> float:
    """Return the two-sided normal quantile at which ``comparisons`` together raise one false alarm so rarely."""
    return NormalDist().inv_cdf(1 - false_alarm / (2 * comparisons))


def std_error(dist: Dist, n: int) -> float:
    """Return the standard error of a sample's standard deviation about a known mean: std·√((κ−1)/(4n)).

    The mean of x² has the variance (κ−1)·std⁴/n; the root halves its relative error.
    """
    return dist.std * math.sqrt((dist.kurtosis - 1) / (4 * n))


def assert_std_close(values: Tensor, dist: Dist, k: float) -> None:
    """The root mean square about the promised mean is within ``k`` standard errors of the promised std."""
    found = float((values.double() - dist.mean).square().mean().sqrt())
    limit = k * std_error(dist, values.numel())
    assert abs(found - dist.std) <= limit, f"std {found:.6g}, promised {dist.std:.6g} ± {limit:.2g} ({dist.name})"


def assert_mean_close(values: Tensor, dist: Dist, k: float) -> None:
    """The sample mean is within ``k`` standard errors, std/√n, of the promised one."""
    found, limit = float(values.double().mean()), k * dist.std / math.sqrt(values.numel())
    assert abs(found - dist.mean) <= limit, f"mean {found:.3g}, promised {dist.mean:.3g} ± {limit:.2g}"


def assert_in_support(values: Tensor, dist: Dist) -> None:
    """Every entry lies in the promised support, give or take the last bit of the tensor's own precision."""
    low, high = dist.support
    slack = torch.finfo(values.dtype).eps
    assert torch.isfinite(values).all()
    assert float(values.min()) >= low - slack * abs(low)
    assert float(values.max()) <= high + slack * abs(high)


def assert_realises(values: Tensor, dist: Dist, k: float) -> None:
    """A draw keeps everything its law promises: mean, standard deviation and support; constants are exact."""
    assert_in_support(values, dist)
    if isinstance(dist, Constant):
        assert torch.equal(values, torch.full_like(values, dist.mean))
        return
    assert_std_close(values, dist, k)
    assert_mean_close(values, dist, k)


def assert_uncorrelated(a: Tensor, b: Tensor, k: float) -> None:
    """Two samples of n independent entries correlate by less than ``k``/√n."""
    a, b = a.double().flatten(), b.double().flatten()
    a, b = a - a.mean(), b - b.mean()
    found = float((a * b).sum() / (a.norm() * b.norm()))
    assert abs(found) <= k / math.sqrt(len(a)), f"correlation {found:.3g} over {len(a)} entries"


def assert_rate(mask: Tensor, p: float, k: float) -> None:
    """A share of true entries is within ``k`` standard errors, √(p(1−p)/n), of its probability."""
    found, limit = float(mask.double().mean()), k * math.sqrt(p * (1 - p) / mask.numel())
    assert abs(found - p) <= limit, f"rate {found:.5f}, expected {p:.5f} ± {limit:.1g}"
