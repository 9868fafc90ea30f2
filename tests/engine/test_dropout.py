"""Masks: at the promised rate, independent wherever they should be, and a function of their key alone."""

import hashlib
import math
from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from initlab.engine.dropout import MASK, CounterDropout, step_key
from tests.assertions import assert_rate, sigmas

N = 200_000
K = sigmas(100)
RATES = [0.1, 0.2, 0.5, 0.9]


def key(seed: int = 0, step: int = 0) -> Tensor:
    return torch.tensor(step_key(seed, step))


def kept(p: float, seed: int = 0, step: int = 0, *, places: int = 1, n: int = N) -> Tensor:
    """Return which entries the last of ``places`` successive places of one forward pass keeps."""
    drop = CounterDropout(p, key(seed, step))
    for _ in range(places):
        mask = drop("embedding", torch.ones(n)) != 0
    return mask


@pytest.mark.parametrize("p", RATES)
@pytest.mark.parametrize("step", [0, 1, 1000])
def test_keep_rate(p: float, step: int) -> None:
    assert_rate(kept(p, step=step), 1 - p, K)


@pytest.mark.parametrize("p", RATES)
def test_a_rate_that_is_off_by_a_hundredth_does_not_pass(p: float) -> None:
    with pytest.raises(AssertionError, match="rate"):
        assert_rate(kept(p + 0.01), 1 - p, K)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_kept_is_scaled_so_that_the_mean_stays(dtype: torch.dtype) -> None:
    x = torch.linspace(-2, 2, 999, dtype=dtype)
    out = CounterDropout(0.2, key())("embedding", x)
    assert out.dtype == dtype
    mask = out != 0
    assert torch.equal(out[mask], x[mask] / 0.8)
    assert 0 < int(mask.sum()) < 999


def test_a_gradient_passes_where_the_value_did() -> None:
    x = torch.ones(500, requires_grad=True)
    out = CounterDropout(0.5, key())("embedding", x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out.detach())


def test_the_same_key_gives_the_same_masks() -> None:
    for places in (1, 2, 3):
        assert torch.equal(kept(0.3, 5, 7, places=places), kept(0.3, 5, 7, places=places))


def assert_independent(a: Tensor, b: Tensor, keep: float) -> None:
    """Two independent masks agree with probability keep² + (1 − keep)²."""
    assert_rate(a == b, keep**2 + (1 - keep) ** 2, K)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_places_steps_and_seeds_have_independent_masks(p: float) -> None:
    masks = [kept(p, places=1), kept(p, places=2), kept(p, places=9)]
    masks += [kept(p, step=1), kept(p, step=2), kept(p, seed=1), kept(p, seed=1, step=1), kept(p, seed=2**62)]
    for a, b in combinations(masks, 2):
        assert_independent(a, b, 1 - p)
    with pytest.raises(AssertionError, match="rate"):
        assert_independent(masks[0], masks[0], 1 - p)


@pytest.mark.parametrize("lag", [1, 2, 8, 64, 4096])
def test_entries_of_a_mask_are_independent(lag: int) -> None:
    mask = kept(0.5)
    assert_rate(mask[lag:] == mask[:-lag], 0.5, K)


def test_neighbouring_places_do_not_share_a_shifted_mask() -> None:
    first, second = kept(0.5, places=1), kept(0.5, places=2)
    for lag in (1, 2, 3):
        assert_independent(first[lag:], second[:-lag], 0.5)
        assert_independent(first[:-lag], second[lag:], 0.5)


def test_uniform_numbers_behind_the_masks_fill_the_interval() -> None:
    # The share kept at p is the distribution function 1 − p: Kolmogorov's distance over a grid of p, whose 1e-6
    # quantile is √(ln(2e6)/2)/√N.
    limit = math.sqrt(math.log(2e6) / 2 / N)
    for p in torch.arange(0.05, 1, 0.05).tolist():
        assert abs(float(kept(p).double().mean()) - (1 - p)) < limit


def test_the_mask_does_not_depend_on_the_shape_or_the_values() -> None:
    flat = CounterDropout(0.5, key())("embedding", torch.ones(24))
    shaped = CounterDropout(0.5, key())("mlp_out", 3 * torch.ones(2, 3, 4))
    assert torch.equal(flat != 0, shaped.flatten() != 0)


def test_no_global_generator_is_read_or_moved() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = kept(0.5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(kept(0.5), first)


def two_places(x: Tensor, one_key: Tensor) -> Tensor:
    drop = CounterDropout(0.3, one_key)
    return torch.stack([drop("embedding", x), drop("attn_out", x)])


def test_a_lane_has_the_same_masks_alone_and_among_others() -> None:
    keys = torch.stack([key(seed=seed) for seed in range(8)])
    x = torch.linspace(-1, 1, 8 * 60).view(8, 5, 12)
    together = vmap(two_places)(x, keys)
    for lane in range(8):
        assert torch.equal(together[lane], two_places(x[lane], keys[lane]))
        assert torch.equal(together[lane], vmap(two_places)(x[lane : lane + 1], keys[lane : lane + 1])[0])


def test_lanes_have_independent_masks() -> None:
    keys = torch.stack([key(seed=0), key(seed=1)])
    both = vmap(two_places)(torch.ones(2, N), keys) != 0
    assert_independent(both[0, 0], both[1, 0], 0.7)
    assert_independent(both[0, 1], both[1, 1], 0.7)


def test_keys_are_hashes_that_fit() -> None:
    digest = hashlib.sha256(b"dropout/3/14").digest()
    assert step_key(3, 14) == int.from_bytes(digest[:8], "little") % 2**62
    assert MASK == 2**62 - 1
    keys = {step_key(seed, step) for seed in range(50) for step in range(50)}
    assert len(keys) == 2500
    assert all(0 <= one < 2**62 for one in keys)
