"""Adam's first step is ±lr; what it is against the weights follows from the laws."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from initlab.inits.catalogue import resolve
from initlab.network.laws import ZEROS, Law
from initlab.network.slots import Slot
from initlab.network.topology import Dims
from initlab.theory.first_update import update_ratios

DIMS = Dims(n_layer=2, n_head=4, n_embd=32, vocab_size=23, block_size=12, ffn_hidden=80)
GPT2 = resolve("gpt2").blueprint(DIMS)


def ratios(change: Callable[[Slot, Law], Law] = lambda slot, law: law) -> dict[str, float]:
    blueprint = replace(GPT2, laws=tuple((slot, change(slot, law)) for slot, law in GPT2.laws))
    return update_ratios(blueprint, lr=1e-3)


def test_ratios() -> None:
    found = ratios()
    assert set(found) == {slot.name for slot, _ in GPT2.laws}
    assert found["blocks.0.query.weight"] == pytest.approx(1e-3 / 0.02)
    assert found["blocks.0.attn.norm.weight"] == pytest.approx(1e-3)
    assert found["blocks.0.query.bias"] == math.inf
    assert found["blocks.0.key.bias"] == 0  # softmax does not see it


def test_factors_on_the_learning_rate_and_frozen_slots() -> None:
    found = ratios(lambda slot, law: replace(law, lr=0.5, mult=7.0, train=slot.role != "value"))
    assert found["blocks.1.ffn_up.weight"] == pytest.approx(0.5e-3 / 0.02)
    assert found["blocks.1.value.weight"] == 0


def test_nothing_behind_a_matrix_of_zeros_moves() -> None:
    found = ratios(lambda slot, law: replace(law, dist=ZEROS) if slot.role == "ffn_down" else law)
    assert found["blocks.0.ffn_up.weight"] == found["blocks.0.ffn.norm.weight"] == 0
    assert found["blocks.0.ffn_down.weight"] == found["blocks.0.ffn_down.bias"] == math.inf
    assert found["blocks.0.query.weight"] > 0


@pytest.mark.parametrize(("init", "shared"), [("rezero", True), ("skipinit", False)])
def test_a_branch_that_a_scale_of_zero_shuts_off_waits_for_its_scale(init: str, shared: bool) -> None:
    blueprint = resolve(init).blueprint(DIMS)
    found = update_ratios(blueprint, lr=1e-3)
    scales = {slot.name for slot, _ in blueprint.laws if slot.role == "branch_scale"}
    assert all((".branch_scale" in name and ".attn" not in name and ".ffn" not in name) == shared for name in scales)
    moving = {name for name, ratio in found.items() if ratio > 0 and name.startswith("blocks.")}
    assert moving == scales
    assert {found[name] for name in scales} == {math.inf}


def test_the_model_agrees_on_which_gradients_vanish() -> None:
    import torch
    from torch.func import functional_call

    from initlab.activations.functions import ACTIVATIONS
    from initlab.inits.draw import draw_all
    from initlab.model.gpt import skeleton
    from tests.networks import random_tokens

    for init in ("gpt2", "zero-residual", "rezero", "skipinit"):
        blueprint = resolve(init).blueprint(DIMS)
        leaves = {name: tensor.requires_grad_() for name, tensor in draw_all(blueprint, seed=0).items()}
        text = random_tokens(DIMS, extra=1)
        model = skeleton(blueprint.network, ACTIVATIONS.get("gelu").function)
        torch.autograd.backward(functional_call(model, leaves, (text[:, :-1], text[:, 1:]))[1])
        still = {name for name, leaf in leaves.items() if leaf.grad is None or not leaf.grad.abs().max() > 1e-9}
        frozen = {slot.name for slot, law in blueprint.laws if not law.train}
        assert {name for name, ratio in update_ratios(blueprint, lr=1e-3).items() if ratio == 0} == still | frozen, (
            init
        )
