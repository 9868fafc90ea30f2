"""What attention does to second moments, forward and back: the uniform causal average, and what its logits add.

With fresh weights, (1/d)⟨y_t, y_t'⟩ = Σ E[w_ts w_t's'] Kv[s, s'] over s ≤ t, s' ≤ t'. At small logits w is 1/t. To
first order in their covariance Kq[t, t']·Kk[s, s'] it gains a term by which tokens that agree are attended to alike;
the whole series is summed as if the logits were independent (the random-energy model of
:mod:`initlab.theory.softmax`), which is exact where tokens are equally correlated and first order everywhere.
"""

from dataclasses import dataclass, replace

import numpy as np

from initlab.theory.theory_model import Attention, Matrix
from initlab.theory.positions import Array, Positions, outer, square
from initlab.theory.softmax import from_gain, sharpening


@dataclass(frozen=True)
class Attending:
    """The moments of one attention's logits and weights; arrays are grams unless said.

    ``mean`` and ``row_mean`` are N's, over s ≤ t and s' ≤ t', or over s ≤ t alone.
    ``agreement`` is the mean over s ≤ t, s' ≤ t' of N times its doubly centred self; ``noise`` the same mean of the
    overlaps that tokens have by chance in ``width`` dimensions. ``sharp`` multiplies ``agreement`` to all orders,
    ``spread`` is (1 - I)², what frozen weights leave of the noise.
    """

    query: Array
    key_gain: float
    mean: Array
    row_mean: Array
    agreement: Array
    noise: Array
    sharp: Array
    spread: Array
    logit_variance: float

    @property
    def learned(self) -> Array:
        """Σ over the block of N times centred N, weighted by the attention weights."""
        return self.agreement * self.sharp + self.noise * self.spread


def effective(attention: Attention, second_moment: float) -> Attention:
    """Return the attention with the norm of q and k folded into its matrices: it divides by their own moments."""
    if attention.qk_norm is None:
        return attention
    query, key = (
        attention.qk_norm / max(matrix.gain * second_moment + matrix.bias, 1e-30)
        for matrix in (attention.query, attention.key)
    )
    return replace(
        attention,
        query=Matrix(gain=attention.query.gain * query, bias=attention.query.bias * query),
        key=Matrix(gain=attention.key.gain * key, bias=attention.key.bias * key),
        qk_norm=None,
    )


def attending(norm: Array, attention: Attention, positions: Positions, width: int) -> Attending:
    """Return the moments of the logits and weights of an attention that reads ``norm``."""
    query = attention.query.gain * norm + attention.query.bias
    key_gain = attention.key.gain * attention.scale
    mean = positions.past_mean(norm)
    row_mean = positions.past_row_mean(norm)
    latest = positions.latest
    single = positions.past @ norm[-2] / positions.time  # mean of N[s, s] over s ≤ t
    private = np.maximum(outer(np.sqrt(single)) - mean, 0)  # what two tokens of the block do not share, on average
    left = np.where(latest > 1, private / np.maximum(1 - 1 / latest, 0.1), 0)  # after a common shift is removed
    variance = np.maximum(query * key_gain * left, 0)
    gain = sharpening(positions.length).gain(variance, latest)
    return Attending(
        query=query,
        key_gain=key_gain,
        mean=mean,
        row_mean=row_mean,
        agreement=_agreement(norm, mean, row_mean, positions),
        noise=_without_twins(private**2 / width),  # E ‖CZC‖²/t² of overlaps Z of variance 1/width, C the centring
        sharp=gain,
        spread=(1 - from_gain(gain, variance, latest)) ** 2,
        logit_variance=positions.mean(variance),
    )


def attend(norm: Array, attention: Attention, positions: Positions, at: Attending) -> Array:
    """Return the gram of the values' weighted averages, before the output matrix."""
    learned = at.key_gain * (at.query * at.learned + _drift(norm, positions, at))
    return attention.value.gain * (at.mean + learned) + attention.value.bias


def mix(read: Array, attention: Attention, positions: Positions, width: int) -> tuple[Array, float]:
    """Return the gram of the weighted averages and the mean variance of the logits."""
    at = attending(read, attention, positions, width)
    return attend(read, attention, positions, at), at.logit_variance


def attend_back(gradient: Array, norm: Array, attention: Attention, positions: Positions, at: Attending) -> Array:
    """Return the gradient's gram at the attention's input, from that at the weighted averages.

    Values under uniform weights; values and keys where weights follow the logits; queries.
    """
    shared = gradient / outer(positions.time)
    followed = positions.future_sum(shared * at.query * at.sharp * (1 - 1 / positions.latest))
    centred = norm - positions.pair_mean(norm)
    by_logits = 2 * centred * followed + attention.query.gain * gradient * at.learned
    return attention.value.gain * (positions.future_sum(shared) + at.key_gain * by_logits)


def _agreement(norm: Array, mean: Array, row_mean: Array, positions: Positions) -> Array:
    row_square = row_mean**2 @ positions.past.T / positions.time  # [t, t']: mean over s' ≤ t' of R[t, s']²
    pairs = positions.past_mean(norm**2)[:-2] - row_square - row_square.T + mean[:-2] ** 2
    return _without_twins(square(pairs))


def _drift(norm: Array, positions: Positions, at: Attending) -> Array:
    """Return what the mean weights' own second-order change adds, where tokens are not all equally correlated.

    E w_ts - 1/t = (1/2t)(V_s - mean V - 2 (R[t, s] - mean R)) for logits of variance V_s and covariances of which R
    are the row means.
    """
    own = np.broadcast_to(norm[-2], positions.past.shape)
    tilt = own - 2 * at.row_mean
    tilt = tilt - (positions.past * tilt).sum(1, keepdims=True) / positions.time[:, None]
    size = (0.5 * at.query[-2] * at.spread[-2])[:, None]
    one_way = positions.past * size * tilt @ at.row_mean.T / positions.time[:, None]
    return _without_twins(square(one_way + one_way.T))


def _without_twins(gram: Array) -> Array:
    """Tokens of two sequences are attended to by logits that have nothing in common."""
    gram[-1] = 0
    return gram
