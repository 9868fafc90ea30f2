"""A network drawn from theory's own description of one, written apart from initlab's model and for its every option.

It is what a ``TheoryModel`` means, in a hundred lines: fresh Gaussian matrices of the stated gains.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from initlab.activations.functions import ACTIVATIONS
from initlab.theory.prediction import Prediction
from initlab.theory.theory_model import EPS, Attention, Branch, Matrix, Mlp, NormMoments, TheoryModel
from tests.assertions import sigmas

Curves = dict[str, np.ndarray]


@dataclass
class Draw:
    """Draws what the model promises, in float32, from one generator."""

    model: TheoryModel
    generator: torch.Generator
    activation: Callable[[Tensor], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.activation = ACTIVATIONS.get(self.model.activation).function

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)

    def linear(self, x: Tensor, matrix: Matrix, fan_out: int) -> Tensor:
        weight = self.normal(fan_out, x.shape[-1]) * math.sqrt(matrix.gain / x.shape[-1])
        return x @ weight.T + self.normal(fan_out) * math.sqrt(matrix.bias)

    def branch(self, x: Tensor, branch: Branch) -> Tensor:
        read = norm(x, branch.incoming) * math.sqrt(branch.incoming_scale)
        body = branch.body
        hidden = self.attention(read, body) if isinstance(body, Attention) else self.mlp(read, body)
        last = body.out if isinstance(body, Attention) else body.down
        written = self.linear(norm(hidden, branch.inner), last, self.model.width)
        return norm(written, branch.outgoing) * math.sqrt(branch.scale)

    def mlp(self, x: Tensor, mlp: Mlp) -> Tensor:
        up = self.linear(x, mlp.up, self.model.hidden)
        if mlp.gate is None:
            return self.activation(up)
        return self.activation(self.linear(x, mlp.gate, self.model.hidden)) * up

    def attention(self, x: Tensor, attention: Attention) -> Tensor:
        heads, width = self.model.heads, self.model.width

        def split(matrix: Matrix) -> Tensor:
            return self.linear(x, matrix, width).unflatten(-1, (heads, -1)).transpose(-3, -2)

        query, key, value = (split(matrix) for matrix in (attention.query, attention.key, attention.value))
        if attention.qk_norm is not None:
            query, key = (norm(y, attention.qk_norm) for y in (query, key))
        scores = query @ key.transpose(-1, -2) * math.sqrt(attention.scale * heads / width)
        future = torch.full(scores.shape[-2:], -math.inf).triu(1)
        return ((scores + future).softmax(-1) @ value).transpose(-3, -2).flatten(-2)


def norm(x: Tensor, law: NormMoments | None) -> Tensor:
    if law is None:
        return x
    centred = x - x.mean(-1, keepdim=True) if law.kind == "layernorm" else x
    return math.sqrt(law.gain) * centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt()


def simulate(model: TheoryModel, tokens: Tensor, seed: int) -> Curves:
    """Draw the network once and pass (B, T + 1) tokens through it; curves are named as a Prediction's."""
    draw = Draw(model, torch.Generator().manual_seed(seed))
    table = draw.normal(model.vocab, model.width)
    inputs = tokens[:, :-1]
    x = math.sqrt(model.token) * table[inputs] + math.sqrt(model.position) * draw.normal(model.length, model.width)
    x = norm(x, model.embed_norm).requires_grad_()
    sites, added = [x], []
    for index, branch in enumerate(model.branches):
        source = sites[index - index % 2] if model.parallel else x
        added.append(draw.branch(source, branch))
        x = norm(math.sqrt(branch.skip) * x + added[-1], branch.after)
        x.retain_grad()
        sites.append(x)
    head = table if model.tied else draw.normal(model.vocab, model.width)
    logits = norm(x, model.final_norm) @ (head * math.sqrt(model.head / model.width)).T
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), tokens[:, 1:].flatten())
    torch.autograd.backward(loss)
    branches = [float(y.detach().square().mean()) for y in added]
    return {
        "residual_ms": np.array([float(y.detach().square().mean()) for y in sites]),
        "attn_ms": np.array(branches[::2]),
        "mlp_ms": np.array(branches[1::2]),
        "token_cosine": np.array([cosine(y.detach()) for y in sites]),
        "grad_ms": np.array([float(y.grad.square().mean()) for y in sites if y.grad is not None]),
        "initial_loss": np.array([float(loss.detach())]),
    }


def cosine(x: Tensor) -> float:
    unit = x / x.norm(dim=-1, keepdim=True)
    overlap = unit @ unit.transpose(-1, -2)
    count = x.shape[-2]
    return float((overlap.sum((-1, -2)) - count).mean()) / (count * (count - 1))


def averages(model: TheoryModel, seeds: int, batch: int, first: int = 0) -> Curves:
    """Return the mean curves over draws, each with a batch of its own of uniform tokens."""
    runs = []
    for seed in range(first, first + seeds):
        generator = torch.Generator().manual_seed(10_000 + seed)
        tokens = torch.randint(model.vocab, (batch, model.length + 1), generator=generator)
        runs.append(simulate(model, tokens, seed))
    return {key: np.mean([run[key] for run in runs], axis=0) for key in runs[0]}


def assert_agrees(predicted: Prediction, measured: Curves, seeds: int, width: int, curves: Sequence[str]) -> None:
    """Every site is within its band / √seeds, at a confidence for all of them together, and 3/width for what theory
    leaves out."""
    for curve in curves:
        value = getattr(predicted, curve)
        expected = np.array(value if isinstance(value, tuple) else [value])
        limit = (
            sigmas(len(expected)) * np.array(predicted.bands[curve]) / math.sqrt(seeds) + 3 * abs(expected) / width
        )
        wrong = np.abs(measured[curve] - expected) > limit
        assert not wrong.any(), f"{curve}: measured {measured[curve]}, predicted {expected} ± {limit}"


ALL = ("residual_ms", "attn_ms", "mlp_ms", "token_cosine", "grad_ms", "initial_loss")

LN = NormMoments()
RMS = NormMoments(kind="rmsnorm")


def attention(**options: Any) -> Attention:
    matrices = {"query": 0.3, "key": 0.3, "value": 1.0, "out": 0.7}
    parts: dict[str, Any] = {role: Matrix(gain=gain) for role, gain in matrices.items()}
    return Attention(**parts, **options)


def mlp(*, gated: bool = False) -> Mlp:
    return Mlp(up=Matrix(gain=0.8), down=Matrix(gain=1.2), gate=Matrix(gain=0.9) if gated else None)


def theory_model(
    *, width: int = 64, layers: int = 3, bodies: tuple[Any, Any] | None = None, **options: Any
) -> TheoryModel:
    """Return a small network; options that are a branch's go to every branch."""
    bodies = bodies or (attention(), mlp())
    own = {field.name for field in fields(Branch)} & set(options)
    shared = {name: options.pop(name) for name in own}
    defaults: dict[str, Any] = {
        "width": width,
        "hidden": 3 * width,
        "heads": 4,
        "length": 24,
        "vocab": 50,
        "activation": "gelu",
        "token": 0.5,
        "position": 0.3,
        "head": 0.5,
        "tied": False,
        "final_norm": LN,
        "branches": tuple(Branch(body=body, **shared) for body in bodies * layers),
    }
    return TheoryModel(**{**defaults, **options})
