"""Roles have one constant each, and code outside the vocabulary's own rooms spells none as a string."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import initlab
from initlab.network import slots
from initlab.network.slot_table import gpt_slots, possible_slots
from initlab.network.slots import Role, weight_name
from initlab.network.topology import Topology
from tests.networks import tiny

ROOT = Path(initlab.__file__).parent
ROLES: tuple[str, ...] = get_args(Role)

AMBIGUOUS = {"query", "key", "value", "bias", "norm_gain", "ffn_gate", "ffn_up", "attn_out"}
"""Also columns of tables, a field of a topology and names of taps: whether such a string means a role, nobody can say
without reading."""

OWN_ROOMS = ("network", "adapters")


def role_literals(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, role) for every string that is a role's name and can mean nothing else."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and node.value in set(ROLES) - AMBIGUOUS:
            yield node.lineno, str(node.value)


def test_every_role_has_a_constant_of_its_name_and_value() -> None:
    constants = {name: value for name, value in vars(slots).items() if name.isupper() and isinstance(value, str)}
    assert constants == {role.upper(): role for role in ROLES}


def test_roles_are_spelt_as_constants_elsewhere() -> None:
    files = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in OWN_ROOMS]
    assert len(files) > 100
    found = [
        f"{path.relative_to(ROOT)}:{line} {role}" for path in files for line, role in role_literals(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "roles"),
    [
        ('law = override(base, {"ffn_down": ZEROS})', ["ffn_down"]),
        ('same = slot.role == "lm_head"', ["lm_head"]),
        ('frame["value"]', []),
        ('"""About ffn_down."""', []),
        ("slot.role == FFN_DOWN", []),
    ],
)
def test_a_literal_is_caught_and_prose_is_not(source: str, roles: list[str]) -> None:
    assert [role for _, role in role_literals(source)] == roles


def test_sets_of_roles_hold_what_their_names_say() -> None:
    matrices = {slot.role for slot in gpt_slots(tiny(gated=True, tied=False)) if len(slot.shape) == 2}
    assert matrices == slots.LINEAR_ROLES | slots.EMBEDDING_ROLES
    assert slots.ATTENTION_ROLES.isdisjoint(slots.FFN_ROLES)
    possible = {slot.role for slot in possible_slots(tiny(gated=True), Topology())}
    assert possible >= slots.EXTRA_ROLES
    assert {slot.role for slot in gpt_slots(tiny(gated=True))}.isdisjoint(slots.EXTRA_ROLES)


def test_matrices_are_named_by_role_and_layer() -> None:
    for slot in gpt_slots(tiny(gated=True, tied=False)):
        if slot.is_weight:
            assert weight_name(slot.role, slot.layer) == slot.name
    assert weight_name("ffn_gate", 11) == "blocks.11.ffn_gate.weight"
    assert weight_name("lm_head") == "lm_head.weight"
