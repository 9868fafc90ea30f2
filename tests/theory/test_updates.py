"""Adam's first step is ±lr; what it is against the weights follows from the laws."""

import math
from dataclasses import replace

import pytest

from initlab.inits.catalogue import resolve
from initlab.laws import ZEROS, Dims, Law, Slot
from initlab.theory.read import read
from initlab.theory.updates import update_ratios

DIMS = Dims(n_layer=2, n_head=4, n_embd=32, vocab_size=23, block_size=12, ffn_hidden=80)
INIT = resolve("gpt2")


def ratios(table: list[tuple[Slot, Law]], lr: float = 1e-3) -> dict[str, float]:
    return update_ratios(table, read(DIMS, INIT.topology(DIMS), table, "gelu"), lr)


def test_ratios() -> None:
    found = ratios(INIT.table(DIMS))
    assert set(found) == {slot.name for slot, _ in INIT.table(DIMS)}
    assert found["blocks.0.query.weight"] == pytest.approx(1e-3 / 0.02)
    assert found["blocks.0.attn_norm.weight"] == pytest.approx(1e-3)
    assert found["blocks.0.query.bias"] == math.inf
    assert found["blocks.0.key.bias"] == 0  # softmax does not see it


def test_factors_on_the_learning_rate_and_frozen_slots() -> None:
    table = [(slot, replace(law, lr=0.5, mult=7.0, train=slot.role != "value")) for slot, law in INIT.table(DIMS)]
    found = ratios(table)
    assert found["blocks.1.ffn_up.weight"] == pytest.approx(0.5e-3 / 0.02)
    assert found["blocks.1.value.weight"] == 0


def test_nothing_behind_a_matrix_of_zeros_moves() -> None:
    table = [(slot, replace(law, dist=ZEROS) if slot.role == "ffn_down" else law) for slot, law in INIT.table(DIMS)]
    found = ratios(table)
    assert found["blocks.0.ffn_up.weight"] == found["blocks.0.ffn_norm.weight"] == 0
    assert found["blocks.0.ffn_down.weight"] == found["blocks.0.ffn_down.bias"] == math.inf
    assert found["blocks.0.query.weight"] > 0
