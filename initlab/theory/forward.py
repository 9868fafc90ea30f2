"""The residual stream's second moments, site by site: embedding, then each branch in turn."""

import math
from dataclasses import dataclass

import numpy as np

from initlab.theory.branches import BranchForward, Context, branch_forward
from initlab.theory.norms import centred, normalise
from initlab.theory.positions import Array, PositionGrid, outer, stack
from initlab.theory.theory_model import NormMoments, TheoryModel
from initlab.theory.tokens import TokenStatistics


@dataclass(frozen=True)
class ForwardTrace:
    """``stream`` has 2L + 1 grams: after the embedding, and after each branch; ``branches`` the 2L branches' own.

    Grams have shape (n + 2, n), the rest of a site shape (n,). ``own`` is, at each site and position, the second
    moment of the token's own embedding in the stream; ``embedded`` that of everything the embedding put there;
    ``common`` is the channels' mean, which random vectors do not have and sinusoidal positions do; ``alike``, grams,
    is by how much more two positions share that hold the same token. ``summed`` are the streams before the norms that
    stand after the embedding or the sums, where there are any.
    """

    stream: tuple[Array, ...]
    branches: tuple[BranchForward, ...]
    own: tuple[Array, ...]
    embedded: tuple[Array, ...]
    common: tuple[Array, ...]
    alike: tuple[Array, ...]
    summed: tuple[Array, ...]


def forward_trace(model: TheoryModel, tokens: TokenStatistics, context: Context) -> ForwardTrace:
    """Return the grams from the embedding to the last block."""
    before = embedding(model, tokens, context.positions)
    mean = wave_mean(model, context.positions)
    gram, kept, mean = _after_norm(before, np.ones(before.shape[1]), mean, model.embed_norm, model.width)
    alike = model.token * outer(np.sqrt(kept))
    stream, branches, shares, common, excess, sums = [gram], [], [kept], [mean], [alike], [before]
    for index, branch in enumerate(model.branches):
        site = source(model, index)
        read = centred(stream[site], common[site], branch.incoming)
        branch_grams = branch_forward(read, excess[site], branch, context)
        summed = branch.skip * stream[-1] + branch_grams.added  # E⟨x, branch(x)⟩ = 0: second moments add
        sums.append(summed)
        mean = math.sqrt(branch.skip) * mean
        gram, passed, mean = _after_norm(summed, np.ones(len(kept)), mean, branch.after, model.width)
        kept = branch.skip * kept * passed
        alike = outer(np.sqrt(passed)) * (branch.skip * alike + branch_grams.alike_added)
        stream.append(gram)
        branches.append(branch_grams)
        shares.append(kept)
        common.append(mean)
        excess.append(alike)
    own, embedded = ([start * kept for kept in shares] for start in (model.token, before[-2]))
    return ForwardTrace(
        stream=tuple(stream),
        branches=tuple(branches),
        own=tuple(own),
        embedded=tuple(embedded),
        common=tuple(common),
        alike=tuple(excess),
        summed=tuple(sums),
    )


def source(model: TheoryModel, index: int) -> int:
    """Return the site that a branch reads: the one before it, or its layer's first where branches are parallel."""
    return index - index % 2 if model.parallel else index


def embedding(model: TheoryModel, tokens: TokenStatistics, positions: PositionGrid) -> Array:
    """Return the gram after the embedding, shape (n + 2, n).

    Tokens that agree share a vector, and positions are shared by sequences.
    """
    gram = model.token * repeats(tokens, positions)
    return gram + model.position * (waves(model, positions) if model.sinusoidal else _separate(positions))


def repeats(tokens: TokenStatistics, positions: PositionGrid) -> Array:
    """Return the gram of the chance that two positions hold the same token."""
    gram = positions.by_lag(tokens.by_lag(positions.length))  # (T,) -> (n + 2, n)
    gram[-1] = tokens.collision  # tokens of two sequences agree by chance alone
    return gram


def _separate(positions: PositionGrid) -> Array:
    """Return the gram of learned positions: a vector of its own for each, the same one in every sequence."""
    count = len(positions)
    return stack(np.zeros((count, count)), np.ones(count), np.ones(count))


def _frequencies(model: TheoryModel) -> Array:
    """10000^(-2i/d), a sine and a cosine each (Vaswani et al. 2017, section 3.5); fairseq divides by d - 2."""
    span = max(model.width // 2 - 1, 1) * 2 if model.fairseq else model.width
    return np.asarray(10000.0 ** -(2 * np.arange(model.width // 2) / span))


def waves(model: TheoryModel, positions: PositionGrid) -> Array:
    """Return the gram of the sines and cosines, at mean square 1, zeros without them.

    sin a sin b + cos a cos b = cos(a - b).
    """
    if not model.sinusoidal:
        return np.zeros((len(positions) + 2, len(positions)))
    wave = np.cos(np.outer(np.arange(model.length), _frequencies(model))).mean(1)  # (T, d/2) -> (T,)
    gram = positions.by_lag(wave)
    gram[-1] = 1
    return gram


def wave_mean(model: TheoryModel, positions: PositionGrid) -> Array:
    """Return the mean over channels of the sines and cosines, by position: shape (n,)."""
    if not model.sinusoidal:
        return np.zeros(len(positions))
    first = 2 if model.fairseq else 0
    angle = np.outer(positions.time - 1 + first, _frequencies(model))
    return np.asarray(math.sqrt(model.position / 2) * (np.sin(angle) + np.cos(angle)).mean(1))


def _after_norm(
    gram: Array, kept: Array, common: Array, norm: NormMoments | None, width: int
) -> tuple[Array, Array, Array]:
    """Return what a norm makes of the gram, of what is ``kept`` of a part of it, and of the channels' mean."""
    if norm is None:
        return gram, kept, common
    moments = centred(gram, common, norm)
    after = normalise(moments, norm, width)
    shrunk = (after[-2] - norm.bias) / np.maximum(moments[-2], 1e-300)  # a silent stream has no part to keep
    mean = np.zeros_like(common) if norm.kind == "layernorm" else np.sqrt(shrunk) * common
    return after, kept * shrunk, mean
