"""What moves at the first step: behind an exact zero nothing does, and nothing else stands still.

Read from the laws and tried on whatever is registered, in float64: a gradient that is zero is exactly zero.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from initlab.inits.catalogue import INITS
from initlab.network.blueprint import Blueprint
from initlab.network.slots import SCALE_ROLES, Slot
from tests.networks import at_init, blueprint_of, random_tokens, tiny

NAMES = [name for name, _ in INITS.items()]
INNER = {"query", "key", "value", "ffn_gate", "ffn_up"}
"""What reads a branch's input; the writers add its output."""


def moving(blueprint: Blueprint, activation: str) -> set[str]:
    """Return the slots with a gradient that is not exactly zero, of those that may move."""
    model = at_init(blueprint, activation=activation, dtype=torch.float64)
    batch = random_tokens(blueprint.dims, extra=1)
    model(batch[:, :-1], batch[:, 1:])[1].backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    trained = [slot.name for slot, law in blueprint.laws if law.train]
    return {name for name in trained if (g := gradients[name]) is not None and bool(g.any())}


def weights(blueprint: Blueprint) -> list[Slot]:
    return [slot for slot, law in blueprint.laws if law.train and slot.is_weight]


def is_zero(blueprint: Blueprint, role: str) -> bool:
    """Whether every slot of that role starts at zero; a tied head is the token embedding."""
    found = [law.is_zero for slot, law in blueprint.laws if role in (slot.role, *slot.aliases)]
    return bool(found) and all(found)


def silent(blueprint: Blueprint) -> bool:
    """Whether every branch ends in a zero matrix."""
    return is_zero(blueprint, "attn_out") and is_zero(blueprint, "ffn_down")


def forms() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in NAMES:
        for tied in (True, False):
            yield name, "gelu", {"tied": tied}
        if name != "looks-linear":  # which has no gate
            yield name, "swiglu", {"tied": False, "gated": True}


@pytest.mark.parametrize(("name", "activation", "form"), list(forms()))
def test_what_moves_at_the_first_step(name: str, activation: str, form: dict[str, Any]) -> None:
    blueprint = blueprint_of(name, tiny(**form))
    found = moving(blueprint, activation)
    if is_zero(blueprint, "lm_head"):  # the logits do not see the stream, and so not what is in it
        assert found == {"lm_head.weight"}
    elif is_zero(blueprint, "branch_scale"):
        assert {s.name for s in weights(blueprint) if s.name in found and s.layer is not None} == set()
        assert {s.name for s, _ in blueprint.laws if s.role == "branch_scale"} <= found
        assert {s.name for s in weights(blueprint) if s.layer is None} <= found
    else:
        still = INNER if silent(blueprint) else set()
        still |= {"key"} if is_zero(blueprint, "query") else set()  # scores are zero whatever the keys are
        assert {s.name for s in weights(blueprint)} - found == {s.name for s in weights(blueprint) if s.role in still}
        # A multiplier of what is not zero moves with it.
        assert (
            silent(blueprint) or {s.name for s, law in blueprint.laws if law.train and s.role in SCALE_ROLES} <= found
        )


@pytest.mark.parametrize(
    ("name", "tied", "still"),
    [
        ("zero-residual", True, INNER),
        ("zero-residual", False, INNER),
        ("spectral", True, INNER),  # tied, its logits are not zero
        ("fixup", True, INNER),
        ("fixup-transformer", True, INNER),
        ("spectral", False, {*INNER, "attn_out", "ffn_down", "token_embedding"}),
        ("fixup", False, {*INNER, "attn_out", "ffn_down", "token_embedding", "position_embedding"}),
        ("mup", False, {*INNER, "attn_out", "ffn_down", "token_embedding", "position_embedding"}),
        ("mup", True, {"key"}),
        ("rezero", True, {*INNER, "attn_out", "ffn_down"}),
        ("skipinit", True, {*INNER, "attn_out", "ffn_down"}),
        ("skipinit:alpha=0.1", True, set()),
        ("layerscale", True, set()),
        ("depth-scaled", True, set()),  # the negative twin of them all
        ("depth-scaled", False, set()),
    ],
)
def test_roles_that_stand_still_at_the_first_step(name: str, tied: bool, still: set[str]) -> None:
    # Negative twin of the test above: the same written out by hand, so that it cannot be right by asking nothing.
    for gated in (False, True):
        blueprint = blueprint_of(name, tiny(tied=tied, gated=gated))
        found = moving(blueprint, "swiglu" if gated else "gelu")
        roles = {slot.role for slot in weights(blueprint)}
        assert {slot.role for slot in weights(blueprint) if slot.name not in found} == still & roles
        assert {slot.role for slot in weights(blueprint) if slot.name in found} == roles - still
