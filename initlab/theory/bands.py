"""How far one draw of the weights, seen through one batch, scatters about the expectation.

A vector that a fresh matrix writes has d channels, independent given its input, with the tokens' covariance G; so the
mean of its squares has the variance (2/d)·mean over all pairs of tokens of G². What many tokens share counts as one
draw of d numbers however many tokens there are. Bands are standard deviations relative to the mean unless said.
"""

import math
from collections.abc import Sequence

import numpy as np

from initlab.activations.functions import ACTIVATIONS
from initlab.theory.branches import Passage, affine
from initlab.theory.forward import Trace
from initlab.theory.head import Head
from initlab.theory.kernels import Series
from initlab.theory.theory_model import Attention, Mlp, Setup
from initlab.theory.positions import Array, Positions, outer
from initlab.theory.tokens import Tokens


def chi_square(gram: Array, positions: Positions, channels: int, batch: int, entry: float = 0.0) -> float:
    """Return the relative sd of the mean square of ``channels`` independent channels.

    ``entry`` is the variance of the realised covariance of two tokens about that of the gram.
    """
    mean = positions.mean(gram)
    square = positions.batch_mean(gram**2, batch) + entry
    return math.sqrt(2 / channels * square) / mean if mean > 0 else 0.0


def stream_bands(setup: Setup, tokens: Tokens, trace: Trace, positions: Positions, batch: int) -> list[float]:
    """Return the band of residual_ms (and, as relative, of residual_var) at the 2L + 1 sites."""
    bands = []
    for gram, own, embedded in zip(trace.stream, trace.own, trace.embedded, strict=True):
        drawn = float(own.mean()) ** 2 * tokens.collision * (1 - tokens.collision)
        added = positions.mean(gram) - float(positions.weight @ embedded) / positions.length
        bands.append(chi_square(gram, positions, setup.width, batch, drawn + _overlap(added, setup.width)))
    return bands


def cosine_bands(setup: Setup, cosines: Sequence[float]) -> list[float]:
    """Return the absolute sd of the mean cosine: d channels' worth of what tokens share, against what they do not."""
    return [
        math.sqrt(2 / setup.width) * (1 - cosine) * (abs(cosine) + (1 - cosine) / setup.length) for cosine in cosines
    ]


def branch_bands(setup: Setup, ways: Sequence[Passage], positions: Positions, batch: int) -> list[float]:
    """Return the bands of the 2L branches: what the last matrix scatters, and what it is given does.

    That is an MLP's hidden squares; the values of attention, and the overlap of the tokens they are averaged over.
    """
    bands = []
    for branch, way in zip(setup.branches, ways, strict=True):
        private = positions.mean(way.added) - positions.pair_mean(way.added)
        last = chi_square(way.added, positions, setup.width, batch, _overlap(private, setup.width))
        if isinstance(branch.body, Attention):
            hidden = chi_square(way.hidden, positions, setup.width, batch)
            (scatter,) = cosine_bands(setup, [positions.cosine(way.read)])
            size = positions.mean(way.hidden)
            read = branch.body.value.gain * positions.mean(way.read) * scatter / size if size > 0 else 0.0
            bands.append(math.hypot(last, hidden, read))
        else:
            bands.append(math.hypot(last, _hidden(setup, branch.body, way, positions, batch)))
    return bands


def _hidden(setup: Setup, mlp: Mlp, way: Passage, positions: Positions, batch: int) -> float:
    """Relative sd of the mean square of the hidden vector: independent channels of covariance E h² h² - E h² E h²."""
    function = ACTIVATIONS.get(setup.activation).reference()
    series = Series(lambda x: function.f(x) ** 2, function.kinks)
    bent = affine(way.read, mlp.gate or mlp.up)
    squares, mean = series.product(bent), series.coefficients(bent[-2])[0]
    if mlp.gate:
        linear = affine(way.read, mlp.up)
        squares, mean = squares * (outer(linear[-2]) + 2 * linear**2), mean * linear[-2]
    scatter = positions.batch_mean(np.maximum(squares - outer(mean), 0), batch)
    size = float(positions.weight @ mean) / positions.length
    return math.sqrt(scatter / setup.hidden) / size if size > 0 else 0.0


def gradient_bands(
    setup: Setup, gradients: Sequence[Array], stream: Sequence[float], positions: Positions, batch: int
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
        bands.append(math.hypot(chi_square(gradients[site], positions, setup.width, batch), inherited))
    return bands[::-1]


def loss_band(tokens: Tokens, head: Head, positions: Positions, batch: int) -> float:
    """Return the sd of the initial loss in nats: that of the targets' mean logit, over their collisions."""
    count = batch * positions.length
    shared = (
        positions.pair_mean(head.final) / max(positions.mean(head.final), 1e-300) if positions.length > 1 else 0.0
    )
    more = max(tokens.collision - 1 / tokens.vocab_size, 0.0)
    return math.sqrt(head.variance * (1 / count + max(shared, 0.0) * more * (1 - 1 / count)))


def logit_band(head: Head, positions: Positions, width: int, batch: int) -> float:
    """Return the band of the logits' variance: V independent rows of the head."""
    return chi_square(head.final, positions, head.vocab, batch, _overlap(positions.mean(head.final), width))


def _overlap(private: float, width: int) -> float:
    """Variance of two vectors' overlap by chance."""
    return private**2 / width
