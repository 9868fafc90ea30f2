"""nanoGPT's own structure, written out by hand: its tensors are our slots, and the two compute one function."""

from typing import Any

import pytest
import torch

from initlab.adapters.nanogpt import NanoGpt
from initlab.adapters.recognition import read_model
from initlab.adapters.slicing import from_slots, to_slots
from tests.adapters.models import SIZES, NanoGptModel, away_from_trivial, own_blueprint
from tests.networks import holding, random_tokens

pytestmark = pytest.mark.usefixtures("one_thread")

ROUNDING = 1e-5
"""Largest difference of a logit: float32 rounds at 6e-8, and three layers of sums of 128 lose two digits."""


def model(bias: bool) -> tuple[NanoGptModel, dict[str, Any]]:
    config = {**SIZES, "bias": bias}
    made = NanoGptModel(**config)
    away_from_trivial(made)
    return made, config


@pytest.mark.parametrize("bias", [True, False])
def test_its_slots_are_our_network(bias: bool) -> None:
    theirs, config = model(bias)
    found = read_model(theirs.state_dict(), config)
    assert (found.family, found.activation, found.assumed) == ("nanogpt", "gelu", {})
    assert found.unmapped == tuple(f"transformer.h.{layer}.attn.bias" for layer in range(3))
    assert found.copies == {"lm_head.weight": "transformer.wte.weight"}
    slots = to_slots(found, theirs.state_dict())
    tokens = random_tokens(found.network.dims)
    with torch.no_grad():
        ours, expected = holding(found.network, slots)(tokens)[0], theirs(tokens)
        assert (ours - expected).abs().max() < ROUNDING * expected.abs().max()
        exchanged = {**slots, "blocks.1.query.weight": slots["blocks.1.key.weight"]}
        assert (holding(found.network, exchanged)(tokens)[0] - expected).abs().max() > 0.01 * expected.abs().max()


@pytest.mark.parametrize("bias", [True, False])
def test_our_slots_are_its_network(bias: bool) -> None:
    theirs, config = model(bias)
    found = read_model(theirs.state_dict(), config)
    before = {name: x.clone() for name, x in theirs.state_dict().items()}
    state = from_slots(found, to_slots(found, before))
    other = NanoGptModel(**config)
    missing, unexpected = other.load_state_dict(state, strict=False)
    assert (set(missing), unexpected) == (set(found.unmapped), [])
    tokens = random_tokens(found.network.dims)
    with torch.no_grad():
        assert torch.equal(other(tokens), theirs(tokens))


def test_what_is_read_from_it_is_what_is_written_for_it() -> None:
    theirs, config = model(True)
    found, written = read_model(theirs.state_dict(), config), NanoGpt().written(own_blueprint(NanoGpt()))
    assert (found.network, found.slices, found.copies) == (written.network, written.slices, written.copies)
    assert NanoGpt().config(own_blueprint(NanoGpt(), bias=False), "gelu") == {**SIZES, "bias": False}
