"""The residual stream's second moments, site by site: embedding, then each branch in turn."""

from dataclasses import dataclass

import numpy as np

from initlab.theory.branches import Medium, forward
from initlab.theory.norms import normalise
from initlab.theory.positions import Array, Positions, stack
from initlab.theory.setup import Norm, Setup
from initlab.theory.tokens import Tokens


@dataclass(frozen=True)
class Trace:
    """``stream`` has 2L + 1 grams: after the embedding, and after each branch. ``branches`` has 2L.

    ``own`` is, per position, the second moment of a token's own embedding in the last of them.
    """

    stream: tuple[Array, ...]
    branches: tuple["BranchMoments", ...]
    own: Array


@dataclass(frozen=True)
class BranchMoments:
    """What one branch adds, as a gram, and the standard deviation of its attention logits (0 for an MLP)."""

    added: Array
    logit_std: float


def trace(setup: Setup, tokens: Tokens, medium: Medium) -> Trace:
    """Return the whole way from the embedding to the last block."""
    gram = embedding(setup, tokens, medium.positions)
    own = np.full(len(medium.positions), setup.token)
    own, gram = _through(own, gram, setup.embed_norm, setup.width)
    stream, moments = [gram], []
    for index, branch in enumerate(setup.branches):
        way = forward(stream[source(setup, index)], branch, medium)
        summed = branch.skip * stream[-1] + way.added
        own, summed = _through(branch.skip * own, summed, branch.after, setup.width)
        stream.append(summed)
        moments.append(BranchMoments(way.added, way.logit_std))
    return Trace(tuple(stream), tuple(moments), own)


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


def _through(own: Array, gram: Array, norm: Norm | None, width: int) -> tuple[Array, Array]:
    after = normalise(gram, norm, width)
    if norm is None:
        return own, after
    return own * (after[-2] - norm.bias) / np.maximum(gram[-2], 1e-300), after


