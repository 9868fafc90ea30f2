"""The residual stream's second moments, site by site: embedding, then each branch in turn."""

import math
from dataclasses import dataclass

import numpy as np

from initlab.theory.branches import Medium, Passage, forward
from initlab.theory.theory_model import Norm, Setup
from initlab.theory.norms import centred, normalise
from initlab.theory.positions import Array, Positions, stack
from initlab.theory.tokens import Tokens


@dataclass(frozen=True)
class Trace:
    """``stream`` has 2L + 1 grams: after the embedding, and after each branch; ``branches`` the 2L ways forward.

    ``own`` is, at each site and position, the second moment of the token's own embedding in the stream; ``embedded``
    that of everything the embedding put there; ``common`` is the channels' mean, which random vectors do not have and
    sinusoidal positions do.
    """

    stream: tuple[Array, ...]
    branches: tuple[Passage, ...]
    own: tuple[Array, ...]
    embedded: tuple[Array, ...]
    common: tuple[Array, ...]


def trace(setup: Setup, tokens: Tokens, medium: Medium) -> Trace:
    """Return the whole way from the embedding to the last block."""
    before = embedding(setup, tokens, medium.positions)
    mean = _wave_mean(setup, medium.positions)
    gram, kept, mean = _through(before, np.ones(before.shape[1]), mean, setup.embed_norm, setup.width)
    stream, ways, shares, common = [gram], [], [kept], [mean]
    for index, branch in enumerate(setup.branches):
        at = source(setup, index)
        way = forward(centred(stream[at], common[at], branch.incoming), branch, medium)
        summed = branch.skip * stream[-1] + way.added
        mean = math.sqrt(branch.skip) * mean
        gram, kept, mean = _through(summed, branch.skip * kept, mean, branch.after, setup.width)
        stream.append(gram)
        ways.append(way)
        shares.append(kept)
        common.append(mean)
    own, embedded = ([start * kept for kept in shares] for start in (setup.token, before[-2]))
    return Trace(tuple(stream), tuple(ways), tuple(own), tuple(embedded), tuple(common))


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


def _frequencies(setup: Setup) -> Array:
    """10000^(-2i/d), a sine and a cosine each (Vaswani et al. 2017, section 3.5)."""
    return np.asarray(10000.0 ** -(2 * np.arange(setup.width // 2) / setup.width))


def _waves(setup: Setup, positions: Positions) -> Array:
    """Gram of the sines and cosines, at mean square 1."""
    wave = np.cos(np.outer(np.arange(setup.length), _frequencies(setup))).mean(1)
    gram = positions.by_lag(wave)
    gram[-1] = 1
    return gram


def _wave_mean(setup: Setup, positions: Positions) -> Array:
    """Mean over channels of the sines and cosines, by position."""
    if not setup.sinusoidal:
        return np.zeros(len(positions))
    angle = np.outer(positions.time - 1, _frequencies(setup))
    return np.asarray(math.sqrt(setup.position / 2) * (np.sin(angle) + np.cos(angle)).mean(1))


def _through(gram: Array, kept: Array, common: Array, norm: Norm | None, width: int) -> tuple[Array, Array, Array]:
    """Return what a norm makes of the gram, of what is ``kept`` of a part of it, and of the channels' mean."""
    if norm is None:
        return gram, kept, common
    seen = centred(gram, common, norm)
    after = normalise(seen, norm, width)
    shrunk = (after[-2] - norm.bias) / np.maximum(seen[-2], 1e-300)
    left = np.zeros_like(common) if norm.kind == "layernorm" else np.sqrt(shrunk) * common
    return after, kept * shrunk, left
