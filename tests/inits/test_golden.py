"""Every init has golden values, and golden values that are wrong do not pass."""

from dataclasses import replace
from typing import Any

import pytest

from initlab.inits.catalogue import FAMILIES, INITS
from tests.inits import (
    test_calibrate,
    test_classic,
    test_depth,
    test_family,
    test_gpt2,
    test_joint,
    test_labs,
    test_mup,
    test_note,
)
from tests.inits.golden import Golden, Place, alike, assert_golden, constant, expected, fixed, normal, uniform
from tests.inits.test_calibrate import ORTHONORMAL

HOMES = (
    test_gpt2,
    test_note,
    test_classic,
    test_labs,
    test_depth,
    test_joint,
    test_calibrate,
    test_mup,
    test_family,
)
GOLDEN: dict[str, Golden] = {name: golden for home in HOMES for name, golden in home.GOLDEN.items()}


def test_every_init_of_the_catalogue_has_golden_values() -> None:
    built_in = {family.__name__ for family in FAMILIES}
    names = {name for name, entry in INITS.items() if entry.build.__module__ in built_in}
    assert set(GOLDEN) == names
    assert len(GOLDEN) == sum(len(home.GOLDEN) for home in HOMES)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("gpt2", {"laws": {"query": normal(0.020001)}}),
    ("gpt2", {"laws": {"query": uniform(0.02)}}),
    ("gpt2", {"laws": {"bias of attn_out": constant(1e-9)}}),
    ("gpt2", {"laws": {"norm_bias": None}}),
    ("gpt2", {"laws": {"embed_scale": fixed(1)}}),
    ("gpt2", {"topology": {"norm_at": "post"}}),
    ("gpt2", {"tied": False}),
    ("depth-scaled", {"laws": alike(("attn_out",), normal(0.02 / 24**0.5))}),  # and not down
    ("olmo-llama-depth", {"laws": GOLDEN["olmo-llama"].laws}),
    ("mup", {"laws": {**GOLDEN["mup"].laws, "key": normal(0.02 / 3**0.5, lr=1 / 3)}}),  # decay times m
    ("completep", {"laws": GOLDEN["depth-mup"].laws}),
    ("rezero", {"laws": {**GOLDEN["rezero"].laws, "branch_scale": fixed(0)}}),
    ("mimetic", {"laws": {}}),
    ("lsuv", {"laws": {role: replace(start, calibrated=False) for role, start in ORTHONORMAL.items()}}),
    ("layerscale", {"topology": {}}),
]


@pytest.mark.parametrize(("init", "change"), WRONG)
def test_golden_values_that_are_wrong_do_not_pass(init: str, change: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        assert_golden(init, replace(GOLDEN[init], **change))


def test_what_is_expected_of_gpt2_is_its_published_list_of_parameters() -> None:
    # openai/gpt-2: wte, wpe, ln_f's two, and a block's two norms with two each and six matrices with a bias each
    # (three of them fused in c_attn).
    found = expected(Golden(), tied=True, gated=False, bias=True)
    assert len(found) == 2 + 2 + 12 * (2 * 2 + 6 * 2)
    assert len(expected(Golden(), tied=False, gated=True, bias=False)) == 2 + 1 + 1 + 12 * (2 + 7)


def test_places_count_layers_and_branches() -> None:
    seen: list[Place] = []
    expected(Golden({"attn_out": lambda place: seen.append(place)}), tied=True, gated=False, bias=False)
    assert [(place.layer, place.branch) for place in seen[:3]] == [(0, 0), (1, 2), (2, 4)]
    assert all(place.in_block for place in seen)
