"""Each reduction against its definition, written as loops over float64."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from initlab.probes.reductions import (
    DEAD,
    PROBES,
    attention_entropy,
    channel_variance,
    dead_share,
    largest_logit,
    second_moment,
    token_cosine,
)

EPS32 = 2.0**-23


def tapped(*shape: int, seed: int = 0) -> Tensor:
    """Return a float32 tensor whose channels, tokens and sequences all have means and scales of their own."""
    x = np.random.default_rng(seed).normal(size=shape)
    for axis in range(len(shape)):
        along = np.random.default_rng(100 * seed + axis).normal(size=shape[axis])
        x = x + along.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return torch.from_numpy(x.astype(np.float32))


def explicit_moment(x: npt.NDArray[np.float64]) -> float:
    return math.fsum(value * value for value in x.ravel()) / x.size


def explicit_variance(x: npt.NDArray[np.float64]) -> float:
    per_token = []
    for token in x.reshape(-1, x.shape[-1]):
        mean = math.fsum(token) / len(token)
        per_token.append(math.fsum((value - mean) ** 2 for value in token) / len(token))
    return math.fsum(per_token) / len(per_token)


def explicit_cosine(x: npt.NDArray[np.float64]) -> float:
    cosines = []
    for sequence in x:
        for s, t in itertools.permutations(range(len(sequence)), 2):
            a, b = sequence[s], sequence[t]
            cosines.append(float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)))
    return math.fsum(cosines) / len(cosines)


REDUCTIONS = [
    (second_moment, explicit_moment),
    (channel_variance, explicit_variance),
    (token_cosine, explicit_cosine),
]


@pytest.mark.parametrize(("reduce", "explicit"), REDUCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("shape", [(3, 5, 16), (1, 2, 3), (4, 9, 1), (2, 33, 8)], ids=str)
def test_reduction_is_its_definition(
    reduce: Callable[[Tensor], Tensor],
    explicit: Callable[[npt.NDArray[np.float64]], float],
    shape: tuple[int, int, int],
) -> None:
    x = tapped(*shape)
    measured, defined = reduce(x), explicit(x.double().numpy())
    assert measured.shape == ()
    # Squares, sums in pairs and quotients: a few roundings of numbers no larger than the second moment, or than 1.
    scale = 1.0 if reduce is token_cosine else explicit_moment(x.double().numpy())
    assert abs(float(measured) - defined) < 8 * EPS32 * scale
    other = explicit(tapped(*shape, seed=1).double().numpy())
    assert abs(float(measured) - other) > 1e-3 or (reduce is channel_variance and shape[-1] == 1)


def test_variance_is_per_token_and_the_moment_is_about_zero() -> None:
    x = tapped(3, 5, 16)
    assert float(second_moment(x + 10)) > 50
    # Moving a token moves no variance; x + 10 is rounded to float32's grid near 10, entry by entry.
    assert abs(float(channel_variance(x + 10)) - float(channel_variance(x))) < 10 * 14 * EPS32
    assert abs(float(x.var()) - float(channel_variance(x))) > 0.1  # not the variance over everything
    # Divided by C, not by C - 1.
    assert abs(float(x.var(-1).mean()) - float(channel_variance(x))) > 0.01
    assert abs(float(x.var(-1, correction=0).mean()) - float(channel_variance(x))) < 1e-5


def test_cosine_of_known_tokens() -> None:
    east, north = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.5])
    assert float(token_cosine(torch.stack([east, 3 * east, 7 * east])[None])) == pytest.approx(1, abs=4 * EPS32)
    assert float(token_cosine(torch.stack([east, north])[None])) == pytest.approx(0, abs=4 * EPS32)
    assert float(token_cosine(torch.stack([east, -east])[None])) == pytest.approx(-1, abs=4 * EPS32)
    # One pair of three is parallel: 1/3. A token is not compared with itself, else it were (2 + 3) / 9.
    assert float(token_cosine(torch.stack([east, north, east])[None])) == pytest.approx(1 / 3, abs=4 * EPS32)
    # Nor with another sequence's tokens.
    apart = torch.stack([torch.stack([east, east]), torch.stack([north, north])])
    assert float(token_cosine(apart)) == pytest.approx(1, abs=4 * EPS32)
    assert float(token_cosine(apart.transpose(0, 1))) == pytest.approx(0, abs=4 * EPS32)


def test_cosine_knows_directions_alone() -> None:
    x = tapped(2, 6, 16)
    lengths = torch.linspace(0.1, 9, 12).view(2, 6, 1)
    assert float(token_cosine(x * lengths)) == pytest.approx(float(token_cosine(x)), abs=8 * EPS32)
    assert float(token_cosine(x * 1e-12)) == pytest.approx(float(token_cosine(x)), abs=8 * EPS32)
    assert float(token_cosine(x + lengths)) != pytest.approx(float(token_cosine(x)), abs=0.01)


def test_cosine_of_what_has_no_direction() -> None:
    assert float(token_cosine(torch.zeros(2, 4, 8))) == 0
    assert math.isnan(float(token_cosine(tapped(2, 1, 8))))
    assert math.isfinite(float(token_cosine(tapped(2, 2, 8))))


def test_registered_probes_and_their_taps() -> None:
    assert {name: probe.tap for name, probe in PROBES.items()} == {
        "residual_ms": "residual",
        "residual_var": "residual",
        "token_cosine": "residual",
        "attn_logit_max": "attn_logits",
        "attn_entropy": "attn_weights",
        "attn_ms": "attn_branch",
        "dead_units": "ffn_hidden",
        "mlp_ms": "mlp_branch",
        "logit_var": "logits",
    }
    x = tapped(3, 5, 16).double().numpy()
    for name, explicit in [
        ("residual_ms", explicit_moment),
        ("residual_var", explicit_variance),
        ("token_cosine", explicit_cosine),
        ("attn_ms", explicit_moment),
        ("mlp_ms", explicit_moment),
        ("logit_var", explicit_variance),
    ]:
        # float64 in, float64 out: no reduction falls back to single precision.
        assert float(PROBES.get(name).reduce(torch.from_numpy(x))) == pytest.approx(explicit(x), rel=1e-13)
        assert PROBES.get(name).summary


def test_dead_units_never_leave_zero() -> None:
    x = tapped(3, 5, 16)
    assert float(dead_share(x)) == 0
    x[..., 4] = 0  # zero for every token: dead
    x[..., 7] *= 1e-6  # too small to matter: dead
    x[..., 9], x[1, 2, 9] = 0, -1.0  # one token in fifteen opens it, whatever the sign: alive
    assert float(dead_share(x)) == 2 / 16
    assert float(dead_share(1e-12 * x)) == 2 / 16  # a matter of proportions
    assert float(dead_share(torch.zeros(3, 5, 16))) == 1


def test_dead_units_just_above_and_below_the_threshold() -> None:
    x = torch.ones(2, 3, 1000)
    x[..., 0] = 1.001 * DEAD
    assert float(dead_share(x)) == 0
    x[..., 0] = 0.99 * DEAD
    assert float(dead_share(x)) == pytest.approx(1e-3, rel=4 * EPS32)


def explicit_entropy(weights: npt.NDArray[np.float64]) -> float:
    """Over the queries that see more than themselves, in units of the logarithm of how many they see."""
    found = [
        -math.fsum(w * math.log(w) for w in row if w > 0) / math.log(t + 1)
        for head in weights.reshape(-1, *weights.shape[-2:])
        for t, row in enumerate(head)
        if t > 0
    ]
    return math.fsum(found) / len(found)


def causal_weights(*, sharp: float, tokens: int = 6) -> Tensor:
    logits = sharp * tapped(2, 3, tokens, tokens)
    return logits.masked_fill(torch.ones(tokens, tokens).triu(1) > 0, -math.inf).softmax(-1)


@pytest.mark.parametrize("sharp", [0.0, 0.5, 3.0, 1e3])
def test_entropy_is_its_definition(sharp: float) -> None:
    weights = causal_weights(sharp=sharp)
    # Weights of float32, of which a row of six has a relative error of a few roundings.
    assert float(attention_entropy(weights)) == pytest.approx(
        explicit_entropy(weights.double().numpy()), abs=16 * EPS32
    )
    assert float(attention_entropy(weights)) != pytest.approx(
        float(attention_entropy(causal_weights(sharp=sharp + 0.3))), abs=1e-3
    ) or sharp == pytest.approx(1e3)


def test_entropy_of_known_attention() -> None:
    assert float(attention_entropy(causal_weights(sharp=0))) == pytest.approx(1, abs=4 * EPS32)
    assert float(attention_entropy(torch.eye(6).expand(2, 3, 6, 6))) == 0
    # Two equal weights: log 2 of the log 2, log 3, log 4 that queries 1, 2 and 3 could have.
    rows = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]])
    expected = (1 + math.log(2) / math.log(3) + math.log(2) / math.log(4)) / 3
    assert float(attention_entropy(rows[None, None])) == pytest.approx(expected, abs=4 * EPS32)
    assert math.isnan(float(attention_entropy(torch.ones(1, 1, 1, 1))))


def test_the_largest_logit_is_one_that_is_seen() -> None:
    logits = tapped(2, 3, 6, 6)
    logits[0, 0, 1, 5] = 100.0
    masked = logits.masked_fill(torch.ones(6, 6).triu(1) > 0, -math.inf)
    seen = max(
        float(logits[b, h, t, s]) for b, h, t in itertools.product(range(2), range(3), range(6)) for s in range(t + 1)
    )
    assert float(largest_logit(masked)) == seen
    assert float(largest_logit(logits)) == 100
