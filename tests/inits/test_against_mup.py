"""``mup`` against microsoft/mup, the parametrisation's own package: its shapes, its readout and its optimizer.

The network here is plain torch with the package's MuReadout; initlab's weights are copied into it and MuAdamW trains
it. What the package calls a tensor with two infinite dimensions is a hidden matrix here.
"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.data.batches import draw_batch
from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.inits.catalogue import blueprint_for
from initlab.inits.draw import draw_all
from initlab.network.laws import Normal
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec
from tests.conftest import optional_module

mup = optional_module("mup")
pytestmark = [pytest.mark.mup, pytest.mark.usefixtures("one_thread")]

BASE, WIDTH, HEADS, LAYERS, TOKENS, STEPS = 16, 64, 4, 2, 16, 8
TRAIN = TrainSpec(
    steps=STEPS, lr=1e-2, schedule="constant", clip=0.0, batch_size=4, eval_batches=1, precision="float64"
)
SPEC = RunSpec(
    model=ModelSpec(n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, block_size=TOKENS, base_n_embd=BASE),
    train=TRAIN,
    init="mup",
)
CORPUS = load_corpus("synthetic")
ROUNDING = 1e-9
"""Relative, of float64 losses over eight steps that multiply differences by some hundreds."""


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.attn_out = (nn.Linear(width, width) for _ in range(4))
        self.ffn_up, self.ffn_down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        inputs = self.attn_norm(x)
        q, k, v = (
            part(inputs).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        logits = q @ k.transpose(-2, -1) / q.shape[-1]  # the package's README: 1/d, not 1/√d
        future = torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1)
        mixed = logits.masked_fill(future, -math.inf).softmax(-1) @ v
        x = x + self.attn_out(mixed.transpose(1, 2).flatten(2))
        return x + self.ffn_down(F.gelu(self.ffn_up(self.ffn_norm(x))))


class Theirs(nn.Module):
    """A transformer as the package's users write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(CORPUS.vocab_size, width)
        self.position_embedding = nn.Embedding(TOKENS, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(LAYERS))
        self.final_norm = nn.LayerNorm(width)
        self.lm_head = mup.MuReadout(width, CORPUS.vocab_size, bias=False, readout_zero_init=True)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.position_embedding(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.lm_head(self.final_norm(x))
        return logits


def our_name(theirs: str) -> str:
    return theirs.replace("_norm.", ".norm.") if theirs.startswith("blocks.") else theirs


def with_our_weights() -> Theirs:
    """Return their network, told what is wide, with what initlab draws."""
    network = Theirs(WIDTH).double()
    mup.set_base_shapes(network, Theirs(BASE), delta=Theirs(2 * BASE), rescale_params=False)
    blueprint = blueprint_for(SPEC.model, SPEC.init, SPEC.activation, CORPUS.vocab_size)
    drawn = draw_all(blueprint, seed=SPEC.seed, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(drawn[our_name(name)])
    return network


def their_losses(optimizer: Any) -> list[float]:
    network = with_our_weights()
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() == 1]
    steps = optimizer(
        [{"params": matrices, "weight_decay": TRAIN.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=TRAIN.lr, betas=(TRAIN.beta1, TRAIN.beta2), eps=TRAIN.eps,
    )  # fmt: skip
    losses = []
    for step in range(STEPS + 1):
        tokens, targets = draw_batch(
            CORPUS.train,
            block_size=TOKENS,
            batch_size=TRAIN.batch_size,
            seed=SPEC.data_seed,
            split="train",
            step=step,
        )
        loss = F.cross_entropy(network(torch.from_numpy(tokens)).flatten(0, 1), torch.from_numpy(targets).flatten())
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(float(loss.detach()))
    return losses


def our_losses(init: str = "mup") -> list[float]:
    group = Group([SPEC.model_copy(update={"init": init})], [CORPUS])
    return [record.row["train_loss"] for record in group.run() if record.kind == "metrics"]


def test_training_is_the_packages() -> None:
    assert our_losses() == pytest.approx(their_losses(mup.MuAdamW), rel=ROUNDING)


def test_without_its_learning_rates_it_is_not() -> None:
    assert our_losses() != pytest.approx(their_losses(torch.optim.AdamW), rel=1e-3)


def test_stds_rates_and_decay_follow_the_packages_shapes() -> None:
    network = Theirs(WIDTH)
    mup.set_base_shapes(network, Theirs(BASE), delta=Theirs(2 * BASE), rescale_params=False)
    groups = mup.MuAdamW([{"params": [p], "weight_decay": 1.0} for p in network.parameters()], lr=1.0).param_groups
    moved = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    blueprint = blueprint_for(SPEC.model, SPEC.init, SPEC.activation, CORPUS.vocab_size)
    laws = {slot.name: law for slot, law in blueprint.laws}
    shapes, wide = mup.get_infshapes(network), set()
    for name, parameter in network.named_parameters():
        law, hidden = laws[our_name(name)], shapes[name].ninf() == 2
        assert (law.lr, law.wd) == pytest.approx(moved[id(parameter)], rel=1e-12), name
        if isinstance(law.dist, Normal):
            assert law.dist.std == pytest.approx(0.02 * shapes[name].width_mult() ** (-0.5 if hidden else 0))
        wide |= {name} if hidden else set()
    assert len(wide) == 6 * LAYERS
