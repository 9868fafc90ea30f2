"""The words inits are written in, on slots by hand."""

import math

import pytest

from initlab.inits.compose import changed, for_each, normal, override, root_width, scaled
from initlab.network.laws import ONES, ZEROS, Law, Normal
from initlab.network.slot_table import gpt_slots
from initlab.network.slots import ATTN_OUT, FFN_DOWN, QUERY, Slot
from tests.networks import tiny

SLOTS = {slot.name: slot for slot in gpt_slots(tiny(n_layer=2))}


def law_of(law: object, name: str) -> Law:
    found = law(SLOTS[name])  # type: ignore[operator]
    assert isinstance(found, Law)
    return found


def test_normal_is_gpt2s_code() -> None:
    law = normal(0.02)
    assert law_of(law, "blocks.0.query.weight").dist == Normal(0.02)
    assert law_of(law, "blocks.0.query.bias").dist == ZEROS
    assert law_of(law, "blocks.0.attn.norm.weight").dist == ONES


def test_override_replaces_the_roles_it_names_and_no_other() -> None:
    law = override(normal(0.02), for_each((ATTN_OUT, FFN_DOWN), Normal(0.5)))
    assert law_of(law, "blocks.1.attn_out.weight").dist == Normal(0.5)
    assert law_of(law, "blocks.1.query.weight").dist == Normal(0.02)
    assert override(normal(0.02), {QUERY: None})(SLOTS["blocks.0.query.weight"]) is None


def test_scaled_multiplies_the_std_where_it_is_told_to() -> None:
    law = scaled(normal(0.02), lambda slot: slot.writes_residual, lambda slot: 1 / math.sqrt(2 * slot.dims.n_layer))
    assert law_of(law, "blocks.0.ffn_down.weight").dist.std == pytest.approx(0.01)
    assert law_of(law, "blocks.0.ffn_up.weight").dist.std == pytest.approx(0.02)


def test_changed_sees_the_slot_and_its_law() -> None:
    def frozen(slot: Slot, law: Law) -> Law:
        return Law(dist=law.dist, train=False)

    law = changed(normal(0.02), lambda slot: slot.role == QUERY, frozen)
    assert not law_of(law, "blocks.0.query.weight").train
    assert law_of(law, "blocks.0.key.weight").train


def test_root_width_is_a_fixed_multiplier() -> None:
    slot = SLOTS["token_embedding.weight"]
    law = root_width(slot)
    assert law.dist.mean == pytest.approx(math.sqrt(slot.dims.n_embd))
    assert not law.train
