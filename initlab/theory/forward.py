"""The residual stream's second moments, site by site: embedding, then each branch in turn."""

from dataclasses import dataclass

import numpy as np

from initlab.theory.branches import Medium, Passage, forward
from initlab.theory.norms import normalise
from initlab.theory.positions import Array, Positions, stack
from initlab.theory.setup import Norm, Setup
from initlab.theory.tokens import Tokens


@dataclass(frozen=True)
class Trace:
    """``stream`` has 2L + 1 grams: after the embedding, and after each branch; ``branches`` the 2L ways forward.

    ``own`` is, at each site and position, the second moment of the token's own embedding in the stream; ``embedded``
    that of everything the embedding put there.
    """

    stream: tuple[Array, ...]
    branches: tuple[Passage, ...]
    own: tuple[Array, ...]
    embedded: tuple[Array, ...]


def trace(setup: Setup, tokens: Tokens, medium: Medium) -> Trace:
    """Return the whole way from the embedding to the last block."""
    before = embedding(setup, tokens, medium.positions)
    gram, kept = _through(before, np.ones(before.shape[1]), setup.embed_norm, setup.width)
    stream, ways, shares = [gram], [], [kept]
    for index, branch in enumerate(setup.branches):
        way = forward(stream[source(setup, index)], branch, medium)
        summed = branch.skip * stream[-1] + way.added
        gram, kept = _through(summed, branch.skip * kept, branch.after, setup.width)
        stream.append(gram)
        ways.append(way)
        shares.append(kept)
    own, embedded = ([start * kept for kept in shares] for start in (setup.token, before[-2]))
    return Trace(tuple(stream), tuple(ways), tuple(own), tuple(embedded))


def source(setup: Setup, index: int) -> int:
    """Return the site that a branch reads: the one before it, or its layer's first where branches are parallel."""
    return index - index % 2 if setup.parallel else index


def embedding(setup: Setup, tokens: Tokens, positions: Positions) -> Array:
    """Return the gram after the embedding: tokens that agree share a vector, positions are shared by sequences."""
    gram = setup.token * positions.by_lag(tokens.by_lag(setup.length))
    gram[-1] = setup.token * tokens.collision
    return gram + setup.position * (_waves(setup, positions) if setup.sinusoidal else _separate(positions))


def _separate(positions: Positions) -> Array:
    count = len(positions)
    return stack(np.zeros((count, count)), np.ones(count), np.ones(count))


def _waves(setup: Setup, positions: Positions) -> Array:
    """Gram of sines and cosines of frequencies 10000^(-2i/d) (Vaswani et al. 2017, section 3.5), at mean square 1."""
    frequency = 10000.0 ** -(2 * np.arange(setup.width // 2) / setup.width)
    wave = np.cos(np.outer(np.arange(setup.length), frequency)).mean(1)
    gram = positions.by_lag(wave)
    gram[-1] = 1
    return gram


def _through(gram: Array, kept: Array, norm: Norm | None, width: int) -> tuple[Array, Array]:
    """Return the gram after a norm, and what is ``kept`` there of a part of it."""
    after = normalise(gram, norm, width)
    if norm is None:
        return after, kept
    return after, kept * (after[-2] - norm.bias) / np.maximum(gram[-2], 1e-300)
