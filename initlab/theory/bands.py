"""How far one draw of the weights, seen through one batch, scatters about the expectation.

A vector that a fresh matrix writes has d channels, independent given its input, with the tokens' covariance G; so the
mean of its squares has the variance (2/d)·mean over all pairs of tokens of G². What many tokens share counts as one
draw of d numbers however many tokens there are. Bands are standard deviations relative to the mean unless said.
What the tokens drawn add is how a curve moves when they agree more often (:mod:`initlab.theory.prediction`).
"""

import math
from collections.abc import Sequence

import numpy as np

from initlab.activations.functions import ACTIVATIONS
from initlab.theory.branches import BranchForward, Context, affine, apart
from initlab.theory.forward import ForwardTrace, source, wave_mean, waves
from initlab.theory.head import LogitMoments
from initlab.theory.kernels import TINY, HermiteSeries
from initlab.theory.norms import centred
from initlab.theory.positions import Array, PositionGrid, outer
from initlab.theory.theory_model import EPS, Attention, Branch, Mlp, TheoryModel

NEGLIGIBLE = 1e-7
"""Movement of a cosine that is rounding."""

ROUNDING = 5e-7
"""Of a mean of squares in float32: what is left to scatter where a norm has set the length of every vector."""


def chi_square(squares: Array, size: float, positions: PositionGrid, channels: int, batch: int) -> float:
    """Return the relative sd of a mean square ``size`` of ``channels`` independent channels.

    ``squares``, shape (n + 2, n), holds E of the squared covariance of two tokens.
    """
    # Var(mean of x_s²) = 2·mean of G[s, t]² for Gaussian x (Isserlis), divided by the number of channels.
    return math.sqrt(2 / channels * max(positions.batch_mean(squares, batch), 0.0)) / size if size > 0 else 0.0


def stream_bands(model: TheoryModel, trace: ForwardTrace, context: Context, batch: int) -> list[float]:
    """Return the band of residual_ms (and, as relative, of residual_var) at the 2L + 1 sites: shape (2L + 1,)."""
    free = scale_bands(model, trace, context, batch)
    before = model.embed_norm, *(branch.after for branch in model.branches)
    return [
        band if norm is None else _after_norm(band, context.positions.mean(gram), model.width)
        for band, norm, gram in zip(free, before, trace.summed, strict=True)
    ]


def scale_bands(model: TheoryModel, trace: ForwardTrace, context: Context, batch: int) -> list[float]:
    """Return the bands of the stream's mean square before the norms that stand after its sums."""
    positions, chance = context.positions, context.repeats * (1 - context.repeats)
    fixed, bands = (model.position * waves(model, positions)) ** 2, []
    for site, gram in enumerate(trace.summed):
        size, scale = positions.mean(gram), 1.0
        if site:
            branch, forward = model.branches[site - 1], trace.branches[site - 1]
            fixed = branch.skip**2 * fixed + (forward.added**2 if branch.outgoing else 0.0)
        # What the norm after the sum makes of it is in the trace; the squares are those of the sum itself.
        normed = model.branches[site - 1].after if site else model.embed_norm
        if normed:
            scale = size / max(positions.mean(trace.stream[site]), TINY)
        added = max(size - scale * float(positions.weight @ trace.embedded[site]) / positions.length, 0.0)
        squares = np.maximum(gram**2 - fixed, 0) + chance * (scale * trace.alike[site]) ** 2 + added**2 / model.width
        bands.append(chi_square(squares, size, positions, model.width, batch))
        if normed:
            fixed = trace.stream[site] ** 2  # every length is the norm's own: no scatter of it is left
    return bands


def _after_norm(band: float, size: float, width: int) -> float:
    """Return what a norm leaves of the scatter of lengths: what ε, beside them, does not hide.

    Of each vector's own, 2/d of its square, the mean is lower by as much, which the expectation leaves out.
    """
    unhidden = EPS / (size + EPS)
    return math.hypot(band * unhidden, 2 / width * unhidden, ROUNDING)


def undrawn(model: TheoryModel, trace: ForwardTrace, positions: PositionGrid) -> list[Array]:
    """Return the grams of what no draw of the weights changes, the sinusoidal positions, at the 2L + 1 sites."""
    mean, start = wave_mean(model, positions), np.maximum(trace.summed[0][-2], TINY)
    centred_waves = model.position * waves(model, positions) - outer(mean)
    return [
        centred_waves * outer(np.sqrt(embedded / start)) + outer(common)
        for embedded, common in zip(trace.embedded, trace.common, strict=True)
    ]


def cosine_bands(
    model: TheoryModel, grams: Sequence[Array], fixed: Sequence[Array], positions: PositionGrid, batch: int
) -> list[float]:
    """Return the absolute sd of the mean cosine of streams with these grams, for the tokens of the expectation.

    A sequence's mean vector has d channels: Var = (2/d)·(1 - c)²·mean over pairs of sequences of their mean vectors'
    cosines², where 1 - c is what is left of it once lengths are divided out. ``fixed`` are the grams of what is not
    drawn.
    """
    bands = []
    for gram, undrawn in zip(grams, fixed, strict=True):
        size = max(positions.mean(gram), TINY)
        cosine = positions.cosine(gram)
        within, across = positions.sequence_means(gram)
        known = positions.sequence_means(undrawn)
        squares = [max(both**2 - one**2, 0.0) / size**2 for both, one in zip((within, across), known, strict=True)]
        share = squares[0] / batch + squares[1] * (1 - 1 / batch)
        bands.append(math.sqrt(2 / model.width * share) * (1 - cosine))
    return bands


def carried(
    model: TheoryModel, trace: ForwardTrace, fresh: Sequence[float], moved: Sequence[float], positions: PositionGrid
) -> list[float]:
    """Return the bands of the cosine with what earlier sites' deviations make of later ones.

    ``fresh`` are those of streams whose branches read the expected one. Of a deviation the skip keeps its share, and
    branches that read tokens more alike write them more alike: ``moved`` is how far the cosine of each site moves
    with the tokens' own, so its ratio from site to site is what a deviation is multiplied by.
    """
    bands = [fresh[0]]
    for site in range(1, len(fresh)):
        whole = positions.mean(trace.summed[site])
        share = model.branches[site - 1].skip * positions.mean(trace.stream[site - 1]) / max(whole, TINY)
        passed = min(max(moved[site] / moved[site - 1], share), 1.0) if moved[site - 1] > NEGLIGIBLE else share
        new = max(fresh[site] ** 2 - (share * fresh[site - 1]) ** 2, 0.0)
        bands.append(math.sqrt((passed * bands[-1]) ** 2 + new))
    return bands


def branch_bands(
    model: TheoryModel, trace: ForwardTrace, cosines: Sequence[float], context: Context, batch: int
) -> list[float]:
    """Return the bands of the 2L branches: what the last matrix scatters, and what it is given does.

    That is an MLP's hidden squares; the values of attention, and the overlap of the tokens they are averaged over.
    ``cosines`` are the bands of the cosine at the 2L + 1 sites.
    """
    lengths, bands = scale_bands(model, trace, context, batch), []
    for index, (branch, forward) in enumerate(zip(model.branches, trace.branches, strict=True)):
        site = source(model, index)
        set_before = branch.incoming or (model.branches[site - 1].after if site else model.embed_norm)
        reads = 0.0 if set_before else lengths[site], cosines[site]
        bands.append(_branch_band(model, branch, forward, context, batch, reads))
    return bands


def _branch_band(
    model: TheoryModel,
    branch: Branch,
    forward: BranchForward,
    context: Context,
    batch: int,
    reads: tuple[float, float],
) -> float:
    """Return the band of one branch.

    ``reads`` are the relative sd of the second moment of a stream that is read without a norm, and the sd of its
    cosine.
    """
    positions, chance = context.positions, context.repeats * (1 - context.repeats)
    size = positions.mean(forward.out)
    per_added = size / max(positions.mean(forward.added), TINY)
    private = size - positions.pair_mean(forward.out)
    squares = forward.out**2 + chance * (per_added * forward.alike_added) ** 2 + private**2 / model.width
    last = chi_square(squares, size, positions, model.width, batch)
    if isinstance(branch.body, Attention):
        given = _attention(model, branch.body, forward, context, batch, reads[1])
    else:
        given = _hidden(model, branch.body, forward, context, batch)
    given = math.hypot(given, reads[0])
    if branch.inner:
        given = _after_norm(given, positions.mean(forward.hidden), model.width)
    last = math.hypot(last, given)
    return _after_norm(last, size, model.width) if branch.outgoing else last


def _attention(
    model: TheoryModel, body: Attention, forward: BranchForward, context: Context, batch: int, cosine: float
) -> float:
    """Relative sd of the mean square of the averaged values: their own, and that of the overlap of their tokens."""
    positions, size = context.positions, context.positions.mean(forward.hidden)
    if size <= 0:
        return 0.0
    values = chi_square(forward.hidden**2, size, positions, model.width, batch)
    return math.hypot(values, body.value.gain * positions.mean(forward.normed) * cosine / size)


def _hidden(model: TheoryModel, mlp: Mlp, forward: BranchForward, context: Context, batch: int) -> float:
    """Relative sd of the mean square of the hidden vector: independent channels of covariance E h² h² - E h² E h²."""
    function = ACTIVATIONS.get(model.activation).reference()
    series = HermiteSeries(lambda x: function.f(x) ** 2, function.kinks)
    positions, acts_on = context.positions, mlp.gate or mlp.up
    activated = affine(forward.normed, acts_on)
    same, other = apart(activated, acts_on.gain * forward.alike, context.repeats)
    squares, mean = series.product(other), series.coefficients(activated[-2])[0]
    if same is not other:
        squares = squares + context.repeats * (series.product(same) - squares)
    if mlp.gate:
        # E u_s² u_t² = a b + 2k² for Gaussians of variances a, b and covariance k (Isserlis).
        linear = affine(forward.normed, mlp.up)
        chance = context.repeats * (1 - context.repeats) * (mlp.up.gain * forward.alike) ** 2
        squares, mean = squares * (outer(linear[-2]) + 2 * (linear**2 + chance)), mean * linear[-2]
    scatter = positions.batch_mean(np.maximum(squares - outer(mean), 0), batch)
    size = float(positions.weight @ mean) / positions.length
    return math.sqrt(scatter / model.hidden) / size if size > 0 else 0.0


def gradient_bands(
    model: TheoryModel,
    trace: ForwardTrace,
    gradients: Sequence[Array],
    alike: Sequence[Array],
    context: Context,
    batch: int,
) -> list[float]:
    """Return the bands of the gradient at the 2L + 1 sites.

    ``alike`` is by how much more it is the same for two positions of one target than of two.
    A branch multiplies the gradient that it is given, so what has scattered stays scattered, and every branch adds
    its own. Norms divide by the drawn stream: its relative error enters whole at the head, and again at every branch
    by that branch's share of the gradient; errors of neighbouring sites are taken as fully correlated, but where a
    norm after each sum makes every draw a new one.
    """
    positions, chance = context.positions, context.repeats * (1 - context.repeats)
    stream = scale_bands(model, trace, context, batch)
    sizes = [positions.mean(gram) for gram in gradients]
    inherited = stream[-1] if model.final_norm else 0.0
    drawn, before, bands = 0.0, 0.0, []
    for site in reversed(range(len(gradients))):
        squares = gradients[site] ** 2 + chance * alike[site] ** 2
        own = chi_square(squares, sizes[site], positions, model.width, batch)
        if site + 1 < len(gradients) and sizes[site] > 0:
            branch = model.branches[site]
            share = min(branch.skip * sizes[site + 1] / sizes[site], 1.0)
            drawn += max(own**2 - share**2 * before**2, 0.0)
            if branch.after:
                drawn += stream[site + 1] ** 2
            else:
                inherited += (1 - share) * stream[site]
        else:
            drawn = own**2
        before = own
        bands.append(math.hypot(math.sqrt(drawn), inherited))
    return bands[::-1]


def loss_band(
    model: TheoryModel, head: LogitMoments, errors: Array, repeats: float, positions: PositionGrid, batch: int
) -> float:
    """Return the sd of the initial loss in nats.

    To first order in the logits, of covariance head·N, it is that of Σ_v D_v·a_v, D = softmax - onehot(target), whose
    gram is ``errors``; and a token that is its own target lowers the loss by its own logit.
    """
    within = positions.batch_mean(np.maximum(model.head * head.final * errors, 0), batch)
    hits = head.own**2 * repeats * (1 - repeats) / (batch * positions.length)
    return math.sqrt(within + hits)


def logit_band(model: TheoryModel, head: LogitMoments, trace: ForwardTrace, context: Context, batch: int) -> float:
    """Return the band of the logits' variance: V independent rows of the head, and the stream's where no norm sets
    its length."""
    positions, chance = context.positions, context.repeats * (1 - context.repeats)
    size = positions.mean(head.final)
    last = centred(trace.stream[-1], trace.common[-1], model.final_norm)
    alike = trace.alike[-1] * outer(np.sqrt(head.final[-2] / np.maximum(last[-2], TINY)))
    squares = head.final**2 + chance * alike**2 + size**2 / model.width
    own = chi_square(squares, size, positions, head.vocab, batch)
    bounded = (
        model.final_norm or (model.branches and model.branches[-1].after) or (not model.branches and model.embed_norm)
    )
    return own if bounded else math.hypot(own, scale_bands(model, trace, context, batch)[-1])
