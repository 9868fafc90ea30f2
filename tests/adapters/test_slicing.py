"""Slots are parts of tensors, and tensors are made of slots: there and back is where one started."""

import random
from typing import Any

import pytest
import torch

from initlab.adapters.adapter import ADAPTERS, Slice, SlotMap
from initlab.adapters.slicing import from_slots, to_slots
from initlab.errors import InitlabError
from initlab.network.slot_table import plain_network
from tests.adapters.models import written_model
from tests.networks import Tensors, tiny

FAMILIES = [name for name, _ in ADAPTERS.items()]
MODELS: list[dict[str, Any]] = [{}, {"bias": True}, {"bias": False}, {"tied": False}, {"tied": True, "bias": True}]


def alike(left: Tensors, right: Tensors) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def slot_map(**slices: Slice) -> SlotMap:
    return SlotMap(network=plain_network(tiny()), slices=slices)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_there_and_back(family: str, model: dict[str, Any]) -> None:
    adapter = ADAPTERS.get(family)
    if family == "nanogpt":
        model = {**model, "tied": True}
    where, slots, state = written_model(adapter, **model)
    assert alike(to_slots(where, state), slots)
    assert alike(from_slots(where, to_slots(where, state)), state)
    other = {**slots, "blocks.1.key.weight": slots["blocks.1.query.weight"]}
    assert not alike(from_slots(where, other), state)


def test_rows_of_a_fused_tensor_and_columns_of_a_transposed_one() -> None:
    rows, columns = torch.arange(12.0).reshape(6, 2), torch.arange(12.0).reshape(2, 6)
    where = slot_map(
        rows=Slice(tensor="r", outputs=((2, 4),)),
        columns=Slice(tensor="c", outputs=((2, 4),), transposed=True),
        whole=Slice(tensor="c", transposed=True),
    )
    found = to_slots(where, {"r": rows, "c": columns})
    assert found["rows"].tolist() == [[4, 5], [6, 7]]
    assert found["columns"].tolist() == [[2, 8], [3, 9]]
    assert found["whole"].shape == (6, 2)


def test_a_part_of_one_piece_is_a_view() -> None:
    fused = torch.zeros(6, 2)
    slots = to_slots(slot_map(key=Slice(tensor="w", outputs=((2, 4),))), {"w": fused})
    slots["key"].fill_(1.0)
    assert fused.sum(1).tolist() == [0, 0, 2, 2, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_slots_may_lie_interleaved(seed: int) -> None:
    """As in models that stack queries, keys and values head by head."""
    draw = random.Random(seed)
    heads, size, width = draw.randint(1, 4), draw.randint(1, 3), draw.randint(1, 5)
    transposed = draw.random() < 0.5
    ranges = {
        role: tuple(((3 * head + n) * size, (3 * head + n + 1) * size) for head in range(heads))
        for n, role in enumerate(("query", "key", "value"))
    }
    where = slot_map(**{r: Slice(tensor="w", outputs=o, transposed=transposed) for r, o in ranges.items()})
    fused = torch.randn(heads, 3, size, width)
    stored = fused.flatten(0, 2)
    state = {"w": stored.T.contiguous() if transposed else stored}
    slots = to_slots(where, state)
    for n, role in enumerate(ranges):
        assert torch.equal(slots[role], fused[:, n].flatten(0, 1))
    assert alike(from_slots(where, slots), state)
    assert not alike(from_slots(where, {**slots, "key": slots["value"] + 1}), state)


def test_a_missing_tensor_is_named() -> None:
    with pytest.raises(InitlabError, match=r"the model has no tensor h\.0\.w"):
        to_slots(slot_map(query=Slice(tensor="h.0.w")), {"h.1.w": torch.zeros(1)})
