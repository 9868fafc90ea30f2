"""Windows: what nanoGPT's would be, uniform, and a function of their arguments alone."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from initlab.data.batches import Split, draw_batch, window_offsets
from initlab.errors import InitlabError

SEEDS = st.integers(0, 2**63 - 1)


def offsets(n_offsets: int, batch_size: int, *, seed: int = 0, split: Split = "train", step: int = 0) -> list[int]:
    drawn = window_offsets(n_offsets + 8, block_size=8, batch_size=batch_size, seed=seed, split=split, step=step)
    assert drawn.shape == (batch_size,)
    return [int(offset) for offset in drawn]


@given(n_tokens=st.integers(2, 400), block=st.integers(1, 399), batch=st.integers(1, 20), seed=SEEDS, step=SEEDS)
def test_batch_is_windows_of_the_text(n_tokens: int, block: int, batch: int, seed: int, step: int) -> None:
    block = min(block, n_tokens - 1)
    tokens = np.arange(n_tokens, dtype=np.uint16)  # a token is its own position
    x, y = draw_batch(tokens, block_size=block, batch_size=batch, seed=seed, split="train", step=step)
    start = window_offsets(n_tokens, block_size=block, batch_size=batch, seed=seed, split="train", step=step)
    assert x.shape == y.shape == (batch, block)
    assert x.dtype == y.dtype == np.int64
    assert np.array_equal(x, start[:, None] + np.arange(block))
    assert np.array_equal(y, x + 1)
    assert start.min() >= 0
    assert start.max() < n_tokens - block


def test_x_and_y_do_not_share_memory() -> None:
    x, y = draw_batch(np.arange(50, dtype=np.uint8), block_size=4, batch_size=2, seed=0, split="val", step=0)
    x[:] = -1
    assert (y >= 0).all()


def test_same_arguments_same_batch_and_any_other_argument_another() -> None:
    base = offsets(10**9, 4)
    assert offsets(10**9, 4) == base
    others = [
        offsets(10**9, 4, step=1),
        offsets(10**9, 4, seed=1),
        offsets(10**9, 4, split="val"),
        offsets(10**9, 4, seed=1, step=1),
    ]
    drawn = {offset for batch in [base, *others] for offset in batch}
    assert len(drawn) == 20  # 20 of 10**9: two alike would be a chance of one in five million


def test_larger_batch_begins_with_the_smaller() -> None:
    assert offsets(10**6, 32)[:5] == offsets(10**6, 5)


def test_global_seed_is_neither_read_nor_moved() -> None:
    np.random.seed(1)  # noqa: NPY002 - the global state is what is tested
    first = offsets(10**6, 4)
    after = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert np.random.random() == after  # noqa: NPY002
    assert offsets(10**6, 4) == first


def test_offsets_are_the_same_everywhere() -> None:
    # A regression pin: changing it changes what every stored run has read.
    assert offsets(1_000_000, 4, seed=7, step=3) == [433_223, 436_035, 261_793, 93_292]


def sigmas(counts: npt.NDArray[np.int64]) -> float:
    """Return by how many standard deviations Pearson's statistic exceeds that of a uniform law."""
    expected = counts.mean()
    degrees = len(counts) - 1
    return float((((counts - expected) ** 2 / expected).sum() - degrees) / (2 * degrees) ** 0.5)


def test_offsets_are_uniform_over_steps_and_within_a_batch() -> None:
    drawn = np.array([offsets(50, 20, step=step) for step in range(500)])
    assert sigmas(np.bincount(drawn.ravel(), minlength=50)) < 4
    assert sigmas(np.bincount(drawn[:, 0], minlength=50)) < 4
    # Neighbours in a batch, and one place in consecutive steps, are independent: their difference is uniform too.
    assert sigmas(np.bincount(((drawn[:, 1:] - drawn[:, :-1]) % 50).ravel(), minlength=50)) < 4
    assert sigmas(np.bincount(((drawn[1:] - drawn[:-1]) % 50).ravel(), minlength=50)) < 4
    # The same check refuses what never draws the last window, or two numbers' sum.
    assert sigmas(np.bincount(drawn.ravel() % 49, minlength=50)) > 4
    assert sigmas(np.bincount((drawn[:, 0] + drawn[:, 1]) // 2, minlength=50)) > 4


def test_every_window_is_drawn_up_to_the_last_token() -> None:
    assert set(offsets(10, 500)) == set(range(10))
    assert offsets(1, 3) == [0, 0, 0]


def test_too_short_a_text_is_an_error_with_numbers() -> None:
    with pytest.raises(InitlabError, match="64 \\+ 1 tokens fits in 64"):
        window_offsets(64, block_size=64, batch_size=1, seed=0, split="train", step=0)


@pytest.mark.parametrize(("seed", "step"), [(-1, 0), (2**63, 0), (0, -1)])
def test_seed_and_step_out_of_range(seed: int, step: int) -> None:
    with pytest.raises(ValueError, match="must be in"):
        offsets(10, 1, seed=seed, step=step)
