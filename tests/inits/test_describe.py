"""Laws in words: no slot is lost, and what is summed up is summed up truly."""

import pytest

from initlab.inits.catalogue import INITS, resolve
from initlab.inits.describe import NEED_HEADS, brief_rows, law_rows, plain_text
from initlab.inits.strategy import InitEntry, Strategy
from initlab.network.blueprint import Blueprint
from initlab.network.laws import ONES, ZEROS, Constant, Law, Normal, Uniform
from initlab.network.slots import Slot
from tests.networks import tiny


def plain(slot: Slot) -> Law | None:
    if slot.is_extra:
        return None
    return Law(dist=ONES if slot.role == "norm_gain" else Normal(0.5) if slot.is_weight else ZEROS)


def blueprint(by_layer: dict[int, Law], *, n_layer: int) -> Blueprint:
    """Everything plain but for the queries."""

    def law(slot: Slot) -> Law | None:
        return by_layer[slot.layer] if slot.role == "query" and slot.layer is not None else plain(slot)

    def build() -> Strategy:
        return Strategy(law)

    with INITS.temporarily("described", InitEntry(build, "a test")):
        return resolve("described").blueprint(tiny(n_layer=n_layer))


def test_every_need_has_a_head() -> None:
    needs = {need for name, _ in INITS.items() for need in resolve(name).blueprint(tiny()).needs}
    assert needs == {"weights", *NEED_HEADS}
    assert len(set(NEED_HEADS.values())) == len(NEED_HEADS)


def test_layers_of_one_law_share_a_row() -> None:
    found = blueprint({0: Law(dist=Normal(0.1)), 1: Law(dist=Uniform(0.2)), 2: Law(dist=Normal(0.1))}, n_layer=3)
    queries = [row for row in law_rows(found) if row.slot == "query.weight"]
    assert [(row.layers, row.start) for row in queries] == [
        ("0, 2", "normal, std 0.1"),
        ("1", "uniform, std 0.2 on ±0.34641"),  # √3·std
    ]
    keys = [row for row in law_rows(found) if row.slot == "key.weight"]
    assert [(row.layers, row.shape) for row in keys] == [("0-2", "32 × 32")]


@pytest.mark.parametrize("name", [name for name, _ in INITS.items()])
def test_every_slot_is_in_exactly_one_row(name: str) -> None:
    found = resolve(name).blueprint(tiny(n_layer=3))
    counted = 0
    for row in law_rows(found):
        first, dash, last = row.layers.partition("-")
        counted += int(last) - int(first) + 1 if dash else row.layers.count(",") + 1
    assert counted == len(found.laws)


def test_brief_rows_leave_out_the_identity_and_join_what_is_alike() -> None:
    found = blueprint(dict.fromkeys(range(3), Law(dist=Constant(2.0), lr=0.5)), n_layer=3)
    assert [(row.slot, row.layers, *row.law) for row in brief_rows(found)] == [
        ("token_embedding (also lm_head), position_embedding", "", "normal, std 0.5", "1", "1", "1", "1"),
        ("query", "0-2", "2", "1", "0.5", "1", "1"),
        ("key, value, attn_out, ffn_up, ffn_down", "0-2", "normal, std 0.5", "1", "1", "1", "1"),
    ]


@pytest.mark.parametrize(
    ("stds", "rows"),
    [
        ([0.4, 0.3, 0.2, 0.1], [("0 … 3", "normal, std 0.4 … normal, std 0.1")]),
        ([0.1, 0.2, 0.3, 0.4], [("0 … 3", "normal, std 0.1 … normal, std 0.4")]),
        ([0.1, 0.3, 0.2, 0.4], [(str(n), f"normal, std {std}") for n, std in enumerate([0.1, 0.3, 0.2, 0.4])]),
        ([0.1, 0.1, 0.2, 0.3], [("0-1", "normal, std 0.1"), ("2", "normal, std 0.2"), ("3", "normal, std 0.3")]),
    ],
)
def test_only_a_steady_change_is_summed_up(stds: list[float], rows: list[tuple[str, str]]) -> None:
    found = blueprint({layer: Law(dist=Normal(std)) for layer, std in enumerate(stds)}, n_layer=4)
    assert [(row.layers, row.start) for row in brief_rows(found) if row.slot == "query"] == rows


def test_a_bias_that_is_not_like_the_others_is_said() -> None:
    pytorch = resolve("pytorch").blueprint(tiny())
    assert any("query.bias" in row.slot for row in brief_rows(pytorch))
    assert not any("norm" in row.slot for row in brief_rows(pytorch))


def test_docstrings_become_paragraphs() -> None:
    text = "One ``a``\nline.\n\nAnother\n  one."
    assert plain_text(text) == "One a line.\n\nAnother one."
    assert plain_text(text, code="`") == "One `a` line.\n\nAnother one."
