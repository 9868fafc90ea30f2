"""From the last site to logits, the loss before any training, and the loss's gradient at the head.

With a tied head a token's own logit is special: x_L still contains the token's embedding, and the branches, random
rotations of it, do not. All other logits are independent normals.
"""

from dataclasses import dataclass

import numpy as np

from initlab.theory.forward import ForwardTrace
from initlab.theory.norms import centred, jacobian, normalise
from initlab.theory.positions import Array, PositionGrid, stack
from initlab.theory.softmax import capped, capped_moments, expected_log_sum, own_probability, participation_at
from initlab.theory.theory_model import TheoryModel
from initlab.theory.tokens import TokenStatistics


@dataclass(frozen=True)
class LogitMoments:
    """Means over positions; logits are in nats.

    ``variance`` is that of the logits of other tokens, ``own`` the mean logit of a position's own token (0 untied),
    both before the ``softcap``. ``own_share`` is the part of the stream that is the token's own embedding, ``final``
    the gram after the final norm, shape (n + 2, n).
    """

    variance: float
    own: float
    own_share: float
    vocab: int
    final: Array
    softcap: float | None = None

    @property
    def logit_variance(self) -> float:
        """Variance over the vocabulary of the logits, as they leave the softcap."""
        others, _ = capped_moments(0.0, self.variance, self.softcap)
        own, _ = capped_moments(self.own, self.own_variance, self.softcap) if self.own else (others, 1.0)
        # V values about their own mean: one degree of freedom of V is gone.
        return (others + (own - others) / self.vocab) * (1 - 1 / self.vocab)

    @property
    def slope(self) -> float:
        """Second moment of the softcap's slope at a logit, 1 without one."""
        return capped_moments(0.0, self.variance, self.softcap)[1]

    @property
    def own_variance(self) -> float:
        return self.variance * max(1 - self.own_share, 0.0)

    @property
    def own_chance(self) -> float:
        """Probability that the model gives to repeating the token, 1/V untied."""
        if self.own == 0:
            return 1 / self.vocab
        return own_probability(self.variance, self.vocab - 1, self.own, self.own_variance, softcap=self.softcap)

    def loss(self, next_equal: float) -> float:
        """Return the expected loss in nats per token; ``next_equal`` is how often a token is its own target."""
        if self.own == 0:
            return expected_log_sum(self.variance, self.vocab, softcap=self.softcap)
        total = expected_log_sum(self.variance, self.vocab - 1, self.own, self.own_variance, softcap=self.softcap)
        return total - next_equal * float(capped(np.array(self.own), self.softcap))


def logit_moments(model: TheoryModel, trace: ForwardTrace, positions: PositionGrid) -> LogitMoments:
    """Return the moments of the logits that a trace ends in."""
    last = centred(trace.stream[-1], trace.common[-1], model.final_norm)
    final = normalise(last, model.final_norm, model.width)
    shares = trace.own[-1] / np.maximum(last[-2], 1e-300)  # (n,)
    own = np.zeros(len(positions))
    if model.tied:
        # E ⟨e_x, final⟩: the token's row against its own embedding in the stream, which branches only rotate about.
        own = np.sqrt(model.head * model.width * shares * final[-2])
    return LogitMoments(
        variance=model.head * positions.mean(final),
        own=float(positions.weight @ own) / positions.length,
        own_share=float(positions.weight @ shares) / positions.length if model.tied else 0.0,
        vocab=model.vocab,
        final=final,
        softcap=model.logit_softcap,
    )


def loss_gradient(model: TheoryModel, trace: ForwardTrace, logits: LogitMoments, errors: Array) -> Array:
    """Return the gram of the gradient of the loss, summed over tokens, at the last site: shape (n + 2, n).

    It is the head's variance times ``errors`` (:func:`error_gram`), through the final norm.
    """
    set_by_a_norm = bool(model.branches and model.branches[-1].after)
    last = centred(trace.stream[-1], trace.common[-1], model.final_norm)
    return jacobian(
        model.head / model.width * errors, last, model.final_norm, model.width, rigid=float(set_by_a_norm)
    )


def error_gram(
    model: TheoryModel, tokens: TokenStatistics, logits: LogitMoments, positions: PositionGrid
) -> tuple[Array, float]:
    """Return the gram of Σ_v D_sv D_tv with D = softmax - onehot(target), shape (n + 2, n).

    With it, by how much more that is for two positions of one target than for two of different ones. D is that of the
    logits before a softcap, by its slope.
    """
    agree = tokens.by_lag(model.length + 2)
    overlap = _softmax_overlap(model, logits)
    if not model.tied:
        # E of (p_s - 1[y_s])·(p_t - 1[y_t]) summed over v, where no probability knows its target: E p = 1/V.
        same = 1 - 2 / model.vocab + overlap[-2]
        lagged = positions.by_lag(agree[: model.length])
        pairs = lagged[:-2] - 2 / model.vocab + overlap[:-2]
        twins, alike = tokens.collision - 2 / model.vocab + overlap[-1], 1.0
    else:
        same, pairs, twins, alike = _tied(tokens, agree, logits, overlap, positions)
    return logits.slope * stack(pairs, same, twins), logits.slope * alike


def _tied(
    tokens: TokenStatistics, agree: Array, logits: LogitMoments, overlap: Array, positions: PositionGrid
) -> tuple[Array, Array, Array, float]:
    """Σ_v D D where a position gives its own token the probability π, by what D holds: own token, target, the rest.

    The final norm takes back the part of the gradient along the stream, and of the stream own_share is the token's
    embedding: of a gradient along it 1 - own_share is ``left``, or ``both`` where two positions hold the same token.
    Returns the diagonal, shape (n,), the pairs, shape (n, n), the twins, shape (n,), and what a pair has more where
    its tokens agree.
    """
    vocab, chance, left, repeat = logits.vocab, logits.own_chance, 1 - logits.own_share, tokens.next_equal
    new = 1 - repeat  # the target is another token than the input
    rest = (1 - chance) ** 2
    same = new * (1 - 2 * (1 - chance) / vocab) + rest * overlap[-2]
    same = same + left * (chance**2 - 2 * chance * repeat + repeat)
    count = positions.length
    collide = positions.by_lag(agree[:count])[:-2]
    # P(y_s = x_t ≠ x_s), y_s = x_{s+1}, at lag t - s = k and, the other way round, -k.
    target_is_own = positions.by_lag(new * (agree[np.abs(np.arange(count) - 1)] + agree[1 : count + 1]))[:-2]
    # The final vectors' mean cosine, less what their shared tokens make of it: what else the projections share.
    alike = float(logits.final[:-2].mean() / logits.final[-2].mean()) - logits.own_share * tokens.collision
    both = left**2 + logits.own_share * alike
    drawn = new**2 + (chance - repeat) ** 2 * both
    common = -2 * (1 - chance) * new / vocab
    pairs = drawn * collide + rest * overlap[:-2] + common - left * (chance - repeat) * target_is_own
    far = tokens.collision
    twins = far * (drawn - 2 * left * (chance - repeat) * new) + rest * overlap[-1] + common
    return same, pairs, twins, drawn


def _softmax_overlap(model: TheoryModel, logits: LogitMoments) -> Array:
    """Return the gram of Σ_v p_v p_v over softmaxes whose logits have the covariances head·N, shape (n + 2, n).

    That is the participation ratio of one softmax whose logits have that variance, read off a table: in E e^(a + b)
    the normalisation cancels the variances of two normals and leaves their covariance, to leading order in 1/V.
    """
    others, _ = capped_moments(0.0, logits.variance, logits.softcap)
    covariance = model.head * logits.final * (others / max(logits.variance, 1e-300))
    return participation_at(covariance, model.vocab)
