"""What networks do at step 0, measured: the side of ``theory_validation.py`` that knows the models.

A pass measures the stream where norms read it, the branches, and the gradient of the mean loss at every site of the
stream. Gradients of weights are nobody's question here, so none are computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from nanogpt_parity import nanogpt_model, slot_value
from torch import Tensor, nn
from torch.func import functional_call

from initlab.activations.functions import ACTIVATIONS
from initlab.data.corpora import load_corpus
from initlab.model.gpt import skeleton
from initlab.network.blueprint import Blueprint
from initlab.probes.reductions import channel_variance, second_moment, token_cosine
from initlab.spec.run import ModelSpec, RunSpec
from initlab.theory.tokens import TokenStatistics

Measured = dict[str, np.ndarray]
Measure = Callable[[Blueprint, str, dict[str, Tensor], Tensor], Measured]


@dataclass
class Seen:
    """What one forward and backward pass showed; ``sites`` are the stream's tensors, which keep their gradients."""

    sites: list[Tensor] = field(default_factory=list)
    attn: list[float] = field(default_factory=list)
    mlp: list[float] = field(default_factory=list)

    def site(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            x.retain_grad()
        else:
            x.requires_grad_()  # the embedding: all that follows depends on it
        self.sites.append(x)
        return x

    def measured(self, logits: Tensor, loss: Tensor) -> Measured:
        torch.autograd.backward(loss)
        sites = [x.detach() for x in self.sites]
        return {
            "residual_ms": np.array([float(second_moment(x)) for x in sites]),
            "token_cosine": np.array([float(token_cosine(x)) for x in sites]),
            "grad_ms": np.array([float(x.grad.double().square().mean()) for x in self.sites if x.grad is not None]),
            "attn_ms": np.array(self.attn),
            "mlp_ms": np.array(self.mlp),
            "logit_var": np.array([float(channel_variance(logits.detach()))]),
            "initial_loss": np.array([float(loss.detach())]),
        }


def measure_initlab(blueprint: Blueprint, activation: str, tensors: dict[str, Tensor], batch: Tensor) -> Measured:
    """Run initlab's model on (B, T + 1) tokens."""
    seen, logits = Seen(), []
    branches = {"attn_branch": seen.attn, "mlp_branch": seen.mlp}

    def tap(place: str, x: Tensor) -> Tensor:
        if place in branches:
            branches[place].append(float(second_moment(x.detach())))
        if place == "logits":
            logits.append(x)
        return seen.site(x) if place == "residual" else x

    model = skeleton(blueprint.network, ACTIVATIONS.get(activation).function)
    leaves = {slot.name: tensors[slot.name] * law.mult for slot, law in blueprint.laws}
    _, loss = functional_call(model, leaves, (batch[:, :-1], batch[:, 1:]), {"tap": tap})
    return seen.measured(logits[0], loss)


def measure_nanogpt(
    nanogpt: Any, blueprint: Blueprint, activation: str, tensors: dict[str, Tensor], batch: Tensor
) -> Measured:
    """Run nanoGPT's model with the same weights; an untied head is put in the place of its tied one."""
    dims = blueprint.dims
    spec = RunSpec(model=ModelSpec(n_layer=dims.n_layer, n_head=dims.n_head, n_embd=dims.n_embd,
                                   block_size=dims.block_size, bias=dims.bias))  # fmt: skip
    model = nanogpt_model(nanogpt, spec, dims.vocab_size)
    model.requires_grad_(False)
    with torch.no_grad():
        state = model.state_dict()
        for name, tensor in tensors.items():
            if name == "lm_head.weight":
                model.lm_head.weight = nn.Parameter(tensor, requires_grad=False)
            else:
                slot_value(name, state).copy_(tensor)
    seen = Seen()

    def keep(module: object, args: tuple[Tensor]) -> None:
        seen.site(args[0])

    def write(values: list[float]) -> Callable[[object, object, Tensor], None]:
        return lambda module, args, out: values.append(float(second_moment(out.detach())))

    for block in model.transformer.h:
        if activation != "gelu":
            block.mlp.gelu = Pointwise(activation)
        block.ln_1.register_forward_pre_hook(keep)
        block.ln_2.register_forward_pre_hook(keep)
        block.attn.register_forward_hook(write(seen.attn))
        block.mlp.register_forward_hook(write(seen.mlp))
    model.transformer.ln_f.register_forward_pre_hook(keep)
    return seen.measured(*model(batch[:, :-1].contiguous(), batch[:, 1:].contiguous()))


class Pointwise(nn.Module):
    """An activation of initlab's as a module, to put in place of nanoGPT's own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.function = ACTIVATIONS.get(name).function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@dataclass(frozen=True)
class Text:
    """Where batches come from: ``sample(seed, rows, columns)`` returns token ids.

    ``law`` is what theory is told of independent tokens, None of a corpus.
    """

    vocab: int
    sample: Callable[[int, int, int], np.ndarray]
    law: TokenStatistics | None

    def tokens(self, seeds: range, rows: int, columns: int) -> TokenStatistics:
        """Return the statistics of what was read.

        Windows of a corpus differ far more from one another than those of independent tokens (an indented stretch
        repeats its spaces): they are counted on the windows themselves, so that what is judged is theory and not the
        choice of windows.
        """
        if self.law:
            return self.law
        read = np.concatenate([self.sample(seed, rows, columns) for seed in seeds])
        share = np.bincount(read.ravel(), minlength=self.vocab) / read.size
        lags = [float((read[:, :-lag] == read[:, lag:]).mean()) for lag in range(1, columns)]
        return TokenStatistics(self.vocab, float((share**2).sum()), tuple(lags))


def text(name: str, vocab: int) -> Text:
    """Return uniform or Zipf tokens drawn independently, or a corpus."""
    if name in ("uniform", "zipf"):
        weight = np.arange(1, vocab + 1, dtype=np.float64) ** -(name == "zipf")
        law = weight / weight.sum()
        tokens = TokenStatistics.zipf(vocab) if name == "zipf" else TokenStatistics.uniform(vocab)
        return Text(vocab, lambda seed, rows, columns: generator(seed).choice(vocab, (rows, columns), p=law), tokens)
    corpus = load_corpus(name, "byte" if name == "stdlib" else None)

    def windows(seed: int, rows: int, columns: int) -> np.ndarray:
        starts = generator(seed).integers(0, len(corpus.train) - columns, rows)
        return np.stack([np.asarray(corpus.train[start : start + columns]) for start in starts])

    return Text(corpus.vocab_size, windows, None)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([7, seed])
