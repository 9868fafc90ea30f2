"""How far one draw of the weights, seen through one batch, scatters about the expectation.

A vector that a fresh matrix writes has d channels, independent given its input, with the tokens' covariance G; so the
mean of its squares has the variance (2/d)·mean over all pairs of tokens of G². What many tokens share counts as one
draw of d numbers however many tokens there are. Bands are standard deviations relative to the mean unless said.
"""

import math
from collections.abc import Sequence

import numpy as np

from initlab.activations.functions import ACTIVATIONS
from initlab.theory.branches import BranchForward, affine
from initlab.theory.forward import ForwardTrace
from initlab.theory.head import LogitMoments
from initlab.theory.kernels import HermiteSeries
from initlab.theory.positions import Array, PositionGrid, outer
from initlab.theory.theory_model import Attention, Mlp, TheoryModel
from initlab.theory.tokens import TokenStatistics


def chi_square(gram: Array, positions: PositionGrid, channels: int, batch: int, entry: float = 0.0) -> float:
    """Return the relative sd of the mean square of ``channels`` independent channels with a gram of (n + 2, n).

    ``entry`` is the variance of the realised covariance of two tokens about that of the gram.
    """
    mean = positions.mean(gram)
    # Var(mean of x_s²) = 2·mean of G[s, t]² for Gaussian x (Isserlis), divided by the number of channels.
    square = positions.batch_mean(gram**2, batch) + entry
    return math.sqrt(2 / channels * square) / mean if mean > 0 else 0.0


def stream_bands(
    model: TheoryModel, tokens: TokenStatistics, trace: ForwardTrace, positions: PositionGrid, batch: int
) -> list[float]:
    """Return the band of residual_ms (and, as relative, of residual_var) at the 2L + 1 sites: shape (2L + 1,)."""
    bands = []
    for gram, own, embedded in zip(trace.stream, trace.own, trace.embedded, strict=True):
        # Two tokens share an embedding or do not: the variance of a Bernoulli variable, times the embedding's square.
        drawn = float(own.mean()) ** 2 * tokens.collision * (1 - tokens.collision)
        added = positions.mean(gram) - float(positions.weight @ embedded) / positions.length
        bands.append(chi_square(gram, positions, model.width, batch, drawn + _overlap(added, model.width)))
    return bands


def cosine_bands(model: TheoryModel, cosines: Sequence[float]) -> list[float]:
    """Return the absolute sd of the mean cosine: d channels' worth of what tokens share, against what they do not."""
    return [
        math.sqrt(2 / model.width) * (1 - cosine) * (abs(cosine) + (1 - cosine) / model.length) for cosine in cosines
    ]


def branch_bands(
    model: TheoryModel, forwards: Sequence[BranchForward], positions: PositionGrid, batch: int
) -> list[float]:
    """Return the bands of the 2L branches: what the last matrix scatters, and what it is given does.

    That is an MLP's hidden squares; the values of attention, and the overlap of the tokens they are averaged over.
    """
    bands = []
    for branch, forward in zip(model.branches, forwards, strict=True):
        private = positions.mean(forward.added) - positions.pair_mean(forward.added)
        last = chi_square(forward.added, positions, model.width, batch, _overlap(private, model.width))
        if isinstance(branch.body, Attention):
            hidden = chi_square(forward.hidden, positions, model.width, batch)
            (scatter,) = cosine_bands(model, [positions.cosine(forward.normed)])
            size = positions.mean(forward.hidden)
            overlap = branch.body.value.gain * positions.mean(forward.normed) * scatter / size if size > 0 else 0.0
            bands.append(math.hypot(last, hidden, overlap))
        else:
            bands.append(math.hypot(last, _hidden(model, branch.body, forward, positions, batch)))
    return bands


def _hidden(model: TheoryModel, mlp: Mlp, forward: BranchForward, positions: PositionGrid, batch: int) -> float:
    """Relative sd of the mean square of the hidden vector: independent channels of covariance E h² h² - E h² E h²."""
    function = ACTIVATIONS.get(model.activation).reference()
    series = HermiteSeries(lambda x: function.f(x) ** 2, function.kinks)
    activated = affine(forward.normed, mlp.gate or mlp.up)
    squares, mean = series.product(activated), series.coefficients(activated[-2])[0]
    if mlp.gate:
        # E u_s² u_t² = a b + 2k² for Gaussians of variances a, b and covariance k (Isserlis).
        linear = affine(forward.normed, mlp.up)
        squares, mean = squares * (outer(linear[-2]) + 2 * linear**2), mean * linear[-2]
    scatter = positions.batch_mean(np.maximum(squares - outer(mean), 0), batch)
    size = float(positions.weight @ mean) / positions.length
    return math.sqrt(scatter / model.hidden) / size if size > 0 else 0.0


def gradient_bands(
    model: TheoryModel, gradients: Sequence[Array], stream: Sequence[float], positions: PositionGrid, batch: int
) -> list[float]:
    """Return the bands of the gradient at the 2L + 1 sites.

    Norms divide by the drawn stream: its relative error enters whole at the head, and again at every branch by that
    branch's share of the gradient; errors of neighbouring sites are taken as fully correlated.
    """
    sizes = [positions.mean(gram) for gram in gradients]
    inherited, bands = stream[-1], []
    for site in reversed(range(len(gradients))):
        if site + 1 < len(gradients) and sizes[site] > 0:
            inherited += max(1 - sizes[site + 1] / sizes[site], 0.0) * stream[site]
        bands.append(math.hypot(chi_square(gradients[site], positions, model.width, batch), inherited))
    return bands[::-1]


def loss_band(tokens: TokenStatistics, head: LogitMoments, positions: PositionGrid, batch: int) -> float:
    """Return the sd of the initial loss in nats: that of the targets' mean logit, over their collisions."""
    count = batch * positions.length
    shared = (
        positions.pair_mean(head.final) / max(positions.mean(head.final), 1e-300) if positions.length > 1 else 0.0
    )
    more = max(tokens.collision - 1 / tokens.vocab_size, 0.0)
    return math.sqrt(head.variance * (1 / count + max(shared, 0.0) * more * (1 - 1 / count)))


def logit_band(head: LogitMoments, positions: PositionGrid, width: int, batch: int) -> float:
    """Return the band of the logits' variance: V independent rows of the head."""
    return chi_square(head.final, positions, head.vocab, batch, _overlap(positions.mean(head.final), width))


def _overlap(private: float, width: int) -> float:
    """Variance of two vectors' overlap by chance."""
    return private**2 / width
