"""A network called with tensors from outside: what functional_call computes, to the bit."""

import torch
from torch import Tensor
from torch.func import functional_call

from initlab.activations.functions import ACTIVATIONS
from initlab.engine.stateless import Stateless
from initlab.model.gpt import skeleton
from initlab.network.slot_table import plain_network
from tests.networks import random_tensors, tiny

DIMS = tiny(n_layer=2)
TOKENS = torch.arange(6).view(2, 3) % DIMS.vocab_size


def networks() -> tuple[Stateless, torch.nn.Module]:
    gelu = ACTIVATIONS.get("gelu").function
    return Stateless(skeleton(plain_network(DIMS), gelu)), skeleton(plain_network(DIMS), gelu)


def test_calls_are_functional_calls() -> None:
    stateless, network = networks()
    logits: list[Tensor] = []
    for seed in (0, 1, 0):
        tensors = random_tensors(DIMS, seed=seed)
        logits.append(stateless(tensors, TOKENS)[0])
        assert torch.equal(logits[-1], functional_call(network, tensors, (TOKENS,))[0])
    assert torch.equal(logits[0], logits[2]), "nothing of the call between is left"
    assert not torch.equal(logits[0], logits[1])


def test_every_tensor_is_used() -> None:
    stateless, _ = networks()
    tensors = {name: x.requires_grad_() for name, x in random_tensors(DIMS).items()}
    loss = stateless(tensors, TOKENS, TOKENS)[1]
    gradients = torch.autograd.grad(loss, list(tensors.values()))
    moved = {name for name, gradient in zip(tensors, gradients, strict=True) if gradient.abs().max() > 0}
    keys = {name for name in tensors if name.endswith("key.bias")}  # shift all of a query's logits alike
    assert moved | keys == set(tensors)
