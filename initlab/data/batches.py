"""Which windows a step reads: a pure function of the corpus, the seed, the split and the step.

Windows are drawn as nanoGPT draws them: each sequence starts anywhere, independently, with replacement. There is no
state, so step 700 can be drawn without the 699 before it, and a resumed run reads what an uninterrupted one reads.

    >>> x, y = draw_batch(corpus.train, block_size=64, batch_size=12, seed=0, split="train", step=0)
"""

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from initlab.errors import InitlabError

Split: TypeAlias = Literal["train", "val"]

_PURPOSE = {"train": 0x747261696E, "val": 0x76616C}


def window_offsets(
    n_tokens: int, *, block_size: int, batch_size: int, seed: int, split: Split, step: int
) -> npt.NDArray[np.int64]:
    """Return where each sequence starts, shape (B,), uniform over [0, n_tokens - block_size).

    Raises InitlabError when no window fits, ValueError for a seed or a step outside [0, 2**63).
    """
    n_offsets = n_tokens - block_size
    if n_offsets <= 0:
        raise InitlabError(f"no window of {block_size} + 1 tokens fits in {n_tokens}: lower block_size")
    if not (0 <= seed < 2**63 and 0 <= step < 2**63):
        raise ValueError(f"seed = {seed} and step = {step} must be in [0, 2**63)")
    # Philox is a keyed function of a counter. Only its lowest word runs here, so no two steps share a number. The raw
    # stream is fixed for good, which numpy does not promise of Generator.integers.
    philox = np.random.Philox(
        key=np.array([seed, _PURPOSE[split]], dtype=np.uint64),
        counter=np.array([0, step, 0, 0], dtype=np.uint64),
    )
    # A remainder favours the smaller offsets, each by less than one part in 2**64 / n_offsets: under 1e-7 for a
    # corpus of 10**12 tokens, and 1e-13 for one of a million.
    return (philox.random_raw(batch_size) % np.uint64(n_offsets)).astype(np.int64)


def draw_batch(
    tokens: npt.NDArray[np.unsignedinteger[Any]],
    *,
    block_size: int,
    batch_size: int,
    seed: int,
    split: Split,
    step: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return inputs x and targets y, both (B, T), y one token further on. Raises as ``window_offsets`` does."""
    offsets = window_offsets(
        len(tokens), block_size=block_size, batch_size=batch_size, seed=seed, split=split, step=step
    )
    positions = offsets[:, None] + np.arange(block_size + 1)
    windows = np.asarray(tokens)[positions].astype(np.int64)  # (B, T+1), out of the memory map where it is one
    return np.ascontiguousarray(windows[:, :-1]), np.ascontiguousarray(windows[:, 1:])
