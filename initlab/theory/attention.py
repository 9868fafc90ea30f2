"""What attention does to second moments, forward and back: the uniform causal average, and what its logits add.

With fresh weights, (1/d)⟨y_t, y_t'⟩ = Σ E[w_ts w_t's'] Kv[s, s'] over s ≤ t, s' ≤ t'. At small logits w is 1/t. To
first order in their covariance Kq[t, t']·Kk[s, s'] it gains a term by which tokens that agree are attended to alike;
the whole series is summed as if the logits were independent (the random-energy model of
:mod:`initlab.theory.softmax`), which is exact where tokens are equally correlated and first order everywhere.
"""

from dataclasses import dataclass, replace

import numpy as np

from initlab.theory.positions import Array, PositionGrid, outer, square
from initlab.theory.softmax import from_gain, sharpening
from initlab.theory.theory_model import EPS, Attention, Matrix


@dataclass(frozen=True)
class TokenGrams:
    """Attention's input: ``gram``, and ``alike``, how much more two positions of the same token share.

    Both have shape (n + 2, n). ``unequal`` is the variance of whether two positions hold the same token, centred over
    both.
    """

    gram: Array
    alike: Array
    unequal: float = 0.0


@dataclass(frozen=True)
class Mixed:
    """The gram of the weighted averages, its excess where tokens are the same, the mean variance of the logits."""

    gram: Array
    alike: Array
    logit_variance: float


@dataclass(frozen=True)
class AttentionMoments:
    """The moments of one attention's logits and weights; arrays are grams of shape (n + 2, n) unless said.

    N is the gram of attention's input, ``query`` that of one query channel, ``key_gain`` the logits' variance for
    each unit of query times key. ``mean`` is the mean of N over s ≤ t and s' ≤ t'; ``row_mean``, shape (n, n), that
    over s ≤ t alone. ``agreement`` is the mean over s ≤ t, s' ≤ t' of N times its doubly centred self; ``noise`` the
    same mean of the overlaps that tokens have by chance, in ``width`` dimensions and because some are the same token.
    ``sharp`` multiplies ``agreement`` to all orders, ``spread`` is (1 - I)², what frozen weights leave of the noise.
    ``logit_variance`` is the mean over positions of the variance of a row's logits about their common shift.
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


def fold_qk_norm(attention: Attention, second_moment: float, head_width: int) -> Attention:
    """Return the attention with the norm of q and k folded into its matrices: it divides by their own moments.

    ``second_moment`` is the mean over positions of that of attention's input, ``head_width`` the width of a head. ε
    counts as in every norm: a small stream that is read without a norm has small queries.
    """
    norm = attention.qk_norm
    if norm is None:
        return attention
    # LayerNorm takes away the mean over the head's channels: the vectors have one direction less to differ in.
    left = 1 - 1 / head_width if norm.kind == "layernorm" and head_width > 1 else 1.0
    query, key = (
        left * norm.gain / (left * (matrix.gain * second_moment + matrix.bias) + EPS)
        for matrix in (attention.query, attention.key)
    )
    return replace(
        attention,
        scale=attention.scale / left,
        query=Matrix(gain=attention.query.gain * query, bias=attention.query.bias * query),
        key=Matrix(gain=attention.key.gain * key, bias=attention.key.bias * key),
        qk_norm=None,
    )


def attention_moments(
    tokens: TokenGrams, attention: Attention, positions: PositionGrid, width: int
) -> AttentionMoments:
    """Return the moments of the logits and weights of an attention with this input.

    Logits a_ts = q_t·k_s/√d_h have Cov(a_ts, a_t's') = Kq[t, t']·c_k·N[s, s']; a key's bias shifts whole rows of
    them, which softmax does not see.
    """
    gram = tokens.gram
    query = attention.query.gain * gram + attention.query.bias  # Kq = c_q N + b_q
    key_gain = attention.key.gain * attention.scale  # c_k
    mean = positions.past_mean(gram)
    row_mean = positions.past_row_mean(gram)  # (n, n)
    latest = positions.latest
    single = positions.past @ gram[-2] / positions.time  # (n,), mean of N[s, s] over s ≤ t
    private = np.maximum(outer(np.sqrt(single)) - mean, 0)  # what two tokens of the block do not share, on average
    # The variance of t centred logits is 1 - 1/t times that of independent ones, to which softmax's tables refer.
    uncentred = np.where(latest > 1, private / np.maximum(1 - 1 / latest, 0.1), 0)
    variance = np.maximum(query * key_gain * uncentred, 0)
    gain = sharpening(positions.length).gain(variance, latest)
    # E ‖CZC‖²/t² of overlaps Z of variance 1/width, C the centring; of the tokens' own, E ‖C(E - E E)C‖²/t².
    repeated = tokens.unequal * positions.past_mean(tokens.alike**2) if tokens.unequal else 0.0
    return AttentionMoments(
        query=query,
        key_gain=key_gain,
        mean=mean,
        row_mean=row_mean,
        agreement=_agreement(gram, mean, positions),
        noise=_without_twins(private**2 / width + repeated),
        sharp=gain,
        spread=(1 - from_gain(gain, variance, latest)) ** 2,
        logit_variance=positions.mean(variance),
    )


def attention_forward(gram: Array, attention: Attention, positions: PositionGrid, moments: AttentionMoments) -> Array:
    """Return the gram of the values' weighted averages, before the output matrix; ``gram`` is the input's.

    Both of shape (n + 2, n). Uniform weights average Kv = c_v N + b_v; to first order in the logits' covariance the
    weights add Kq·c_k times N's own agreement, and their mean's change adds ``_drift``.
    """
    learned = moments.key_gain * (moments.query * moments.learned + _drift(gram, positions, moments))
    return attention.value.gain * correlated(moments.mean + learned) + attention.value.bias


def mix(tokens: TokenGrams, attention: Attention, positions: PositionGrid, width: int) -> Mixed:
    """Return what attention makes of its input before the output matrix."""
    moments = attention_moments(tokens, attention, positions, width)
    mixed = attention_forward(tokens.gram, attention, positions, moments)
    # Each averages its own token with weight 1/t, and its query asks for the same as the other's.
    own = tokens.alike / outer(positions.time)
    asked = attention.query.gain * moments.key_gain * tokens.alike * moments.learned
    return Mixed(mixed, attention.value.gain * (own + asked), moments.logit_variance)


def attention_backward(
    gradient: Array, gram: Array, attention: Attention, positions: PositionGrid, moments: AttentionMoments
) -> Array:
    """Return the gradient's gram at the attention's input, from that at the weighted averages.

    All of shape (n + 2, n); ``gram`` is the input's. Value s collects from every t ≥ s that averages it, with weight
    1/t; where weights follow the logits, values and keys collect once more; the queries' share stays at its position.
    """
    uniform = gradient / outer(positions.time)
    # I(x, t) - 1/t is gain·(x/t)(1 - 1/t): of t logits' variance softmax sees what is left about their mean.
    followed = positions.future_sum(uniform * moments.query * moments.sharp * (1 - 1 / positions.latest))
    centred = gram - positions.pair_mean(gram)  # what all tokens share moves no weight
    by_logits = 2 * centred * followed + attention.query.gain * gradient * moments.learned
    return attention.value.gain * (positions.future_sum(uniform) + moments.key_gain * by_logits)


def correlated(gram: Array) -> Array:
    """Return the gram with no pair correlated beyond 1, which no average of vectors is.

    Even averages keep to that by themselves; the sum over all orders takes a pair's overlap for that of two softmaxes
    over the same tokens, which is too much where logits are large (caveat "attention logits are small").
    """
    size = np.maximum(gram[-2], 0)
    most = np.sqrt(size)
    bound = np.concatenate([np.outer(most, most), size[None], size[None]])
    return np.clip(gram, -bound, bound)


def _agreement(gram: Array, mean: Array, positions: PositionGrid) -> Array:
    """Return the mean over s ≤ t, s' ≤ t' of N·(N - its row means - its column means + its mean).

    What all tokens share is taken away first: it cancels in exact numbers, but where tokens are nearly alike the four
    terms are thousands of times what is left of them.
    """
    shared = positions.pair_mean(gram)
    row_square = positions.past_mean_of_row_squares(gram - shared)  # [t, t']: mean over s' ≤ t' of R[t, s']²
    pairs = positions.past_mean((gram - shared) ** 2)[:-2] - row_square - row_square.T + (mean[:-2] - shared) ** 2
    return _without_twins(square(np.maximum(pairs, 0)))  # ‖·‖²: (n, n) -> (n + 2, n)


def _drift(gram: Array, positions: PositionGrid, moments: AttentionMoments) -> Array:
    """Return what the mean weights' own second-order change adds, where tokens are not all equally correlated.

    E w_ts - 1/t = (1/2t)(V_s - mean V - 2 (R[t, s] - mean R)) for logits of variance V_s and covariances of which R
    are the row means.
    """
    own = np.broadcast_to(gram[-2], positions.past.shape)  # (n,) -> (n, n), V_s in every row
    tilt = own - 2 * moments.row_mean
    tilt = tilt - (positions.past * tilt).sum(1, keepdims=True) / positions.time[:, None]  # less its mean over s ≤ t
    size = (0.5 * moments.query[-2] * moments.spread[-2])[:, None]  # (n, 1)
    one_way = positions.past * size * tilt @ moments.row_mean.T / positions.time[:, None]  # (n, n)
    return _without_twins(square(one_way + one_way.T))


def _without_twins(gram: Array) -> Array:
    """TokenStatistics of two sequences are attended to by logits that have nothing in common."""
    gram[-1] = 0
    return gram
