"""The pass on a calibration batch: the network's own, multipliers included, and no gradients."""

import torch

from initlab.activations.functions import ACTIVATIONS
from initlab.inits.catalogue import blueprint_for
from initlab.inits.draw import draw_all
from initlab.model.calibration import calibration
from initlab.model.gpt import skeleton
from initlab.spec.run import ModelSpec
from tests.networks import random_tokens

MODEL = ModelSpec(n_layer=2, n_head=2, n_embd=16, block_size=8)
GELU = ACTIVATIONS.get("gelu").function


def seen(init: str, factor: float = 1.0) -> list[torch.Tensor]:
    blueprint = blueprint_for(MODEL, init, "gelu", 19)
    tensors = draw_all(blueprint, seed=0, dtype=torch.float64)
    tensors = {name: factor * x if name.endswith("attn_out.weight") else x for name, x in tensors.items()}
    stream: list[torch.Tensor] = []

    def tap(place: str, x: torch.Tensor) -> torch.Tensor:
        if place == "residual":
            assert not x.requires_grad
            stream.append(x.clone())
        return x

    calibration(blueprint, GELU, random_tokens(blueprint.dims))(tensors, tap)
    return stream


def test_the_tap_meets_every_site_of_the_stream() -> None:
    stream = seen("gpt2")
    assert len(stream) == 2 * MODEL.n_layer + 1
    assert torch.equal(stream[0], seen("gpt2")[0])


def test_other_weights_are_other_numbers_from_where_they_act() -> None:
    plain, scaled = seen("gpt2"), seen("gpt2", factor=2.0)
    assert torch.equal(plain[0], scaled[0])
    assert torch.allclose(scaled[1] - scaled[0], 2 * (plain[1] - plain[0]))
    assert not torch.allclose(plain[1], scaled[1])


def test_it_is_the_model_that_trains() -> None:
    blueprint = blueprint_for(MODEL, "gpt2", "gelu", 19)
    assert {slot.name for slot, _ in blueprint.laws} == set(
        dict(skeleton(blueprint.network, GELU).named_parameters())
    )
