"""From laws to theory's description: every number of a slot's law arrives where it acts."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from initlab.errors import InitlabError
from initlab.inits.catalogue import resolve
from initlab.laws import Constant, Dims, Law, Normal, Role, Slot, Topology, Uniform
from initlab.theory.read import Unpredictable, read
from initlab.theory.setup import Attention, Mlp, Norm, Setup

DIMS = Dims(n_layer=2, n_head=4, n_embd=32, vocab_size=23, block_size=12, ffn_hidden=80, tied=False)
Table = list[tuple[Slot, Law]]


def table(init: str = "gpt2", dims: Dims = DIMS) -> Table:
    return resolve(init).table(dims)


def described(rows: Table, dims: Dims = DIMS, **topology: Any) -> Setup:
    defaults = {**Topology().to_json(), **topology}
    return read(dims, cast("Topology", SimpleNamespace(**defaults)), rows, "gelu")


def changed(role: str, **changes: Any) -> Table:
    """Return gpt2's table with the law of every slot of one role replaced in part."""
    return [(slot, replace(law, **changes) if slot.role == role else law) for slot, law in table()]


def extra(role: str, value: float, **where: Any) -> tuple[Slot, Law]:
    slot = Slot(name=role, role=cast("Role", role), shape=(), fan_in=1, fan_out=1, dims=DIMS, **where)
    return slot, Law(dist=Constant(value), train=False)


def attention(setup: Setup, layer: int = 0) -> Attention:
    body = setup.branches[2 * layer].body
    assert isinstance(body, Attention)
    return body


def mlp(setup: Setup, layer: int = 0) -> Mlp:
    body = setup.branches[2 * layer + 1].body
    assert isinstance(body, Mlp)
    return body


def test_gpt2() -> None:
    found = described(table())
    assert (found.width, found.hidden, found.heads, found.length, found.vocab) == (32, 80, 4, 12, 23)
    assert found.layers == 2
    assert found.token == found.position == pytest.approx(0.0004)
    assert found.head == pytest.approx(32 * 0.0004)
    assert not found.tied
    assert found.final_norm == Norm()
    assert {branch.incoming for branch in found.branches} == {Norm()}
    assert {branch.skip for branch in found.branches} == {branch.scale for branch in found.branches} == {1.0}
    roles = [attention(found).query, attention(found).out, mlp(found).up]
    assert [matrix.gain for matrix in roles] == pytest.approx([32 * 0.0004] * 3)
    assert mlp(found).down.gain == pytest.approx(80 * 0.0004)
    assert mlp(found).gate is None


def test_tied_heads_read_the_embedding() -> None:
    dims = replace(DIMS, tied=True)
    found = described(table("pytorch", dims), dims)
    assert found.tied
    assert found.token == pytest.approx(1 / (3 * 32))
    assert found.head == pytest.approx(1 / 3)


def test_biases_by_variance_and_depth_by_layer() -> None:
    found = described(table("pytorch"))
    assert attention(found).query.bias == pytest.approx(1 / (3 * 32))
    assert mlp(found).down.bias == pytest.approx(1 / (3 * 80))
    assert mlp(described(table("depth-scaled"))).down.gain == pytest.approx(80 * 0.0004 / 4)


def test_only_the_variance_of_a_law_counts() -> None:
    assert described(changed("query", dist=Uniform(0.02))) == described(table())


def test_forward_multipliers_are_squared() -> None:
    found = described(changed("query", mult=-3.0))
    assert attention(found).query.gain == pytest.approx(9 * 32 * 0.0004)
    assert described(changed("token_embedding", mult=2.0)).token == pytest.approx(4 * 0.0004)
    assert described(changed("norm_gain", dist=Constant(2.0))).branches[0].incoming == Norm(gain=4.0)
    assert described(changed("norm_bias", dist=Normal(0.5))).branches[0].incoming == Norm(bias=0.25)


def test_multiplier_slots() -> None:
    rows: Table = [
        *table(),
        extra("embed_scale", 2.0),
        extra("logit_scale", 3.0),
        extra("skip_scale", 0.5, layer=0, branch=1),
        extra("branch_scale", 0.1, layer=1),
        extra("norm_scale", 0.7, layer=1, branch=2),
        extra("attn_scale", 0.25, layer=1),
        extra("matrix_scale", 5.0, layer=0, branch=1, of="ffn_up"),
    ]
    found = described(rows)
    assert found.token == pytest.approx(4 * 0.0004)
    assert found.head == pytest.approx(9 * 32 * 0.0004)
    assert [branch.skip for branch in found.branches] == [1, 0.25, 1, 1]
    assert [branch.scale for branch in found.branches] == pytest.approx([1, 1, 0.01, 0.01])
    assert [branch.incoming_scale for branch in found.branches] == pytest.approx([1, 1, 0.49, 1])
    assert attention(found, 0).scale == 1
    assert attention(found, 1).scale == pytest.approx(8 / 16)  # against 1/√8, the root of the head's width
    assert mlp(found).up.gain == pytest.approx(25 * 32 * 0.0004)


@pytest.mark.parametrize(
    ("norm_at", "where"),
    [
        ("pre", ["incoming"]),
        ("post", ["after"]),
        ("sandwich", ["incoming", "outgoing"]),
        ("branch-out", ["outgoing"]),
        ("none", []),
    ],
)
def test_norm_placement(norm_at: str, where: list[str]) -> None:
    branch = described(table(), norm_at=norm_at, norm="rmsnorm").branches[0]
    norms = {name: getattr(branch, name) for name in ("incoming", "inner", "outgoing", "after")}
    assert {name for name, norm in norms.items() if norm is not None} == set(where)
    assert all(norm.kind == "rmsnorm" for norm in norms.values() if norm is not None)


def test_other_topology() -> None:
    asked = described(
        table(), sub_norm=True, qk_norm=True, embed_norm=True, parallel=True, logit_softcap=15.0, final_norm=False
    )
    assert asked.branches[0].inner == Norm()
    assert attention(asked).qk_norm == 1
    assert asked.embed_norm == Norm()
    assert asked.parallel
    assert asked.logit_softcap == 15
    assert asked.final_norm is None
    assert described(table(), positions="sinusoidal").sinusoidal
    assert described(table(), positions="rotary").rotary
    zero_gains = changed("norm_gain", dist=Constant(0.0))
    assert described(zero_gains, one_plus_gain=True).branches[0].incoming == Norm()


def test_an_init_without_a_law_per_slot_says_so() -> None:
    unknown = SimpleNamespace(std=None, mean=0.0, name="joint")
    with pytest.raises(Unpredictable, match="jointly or calibrated"):
        described(changed("query", dist=unknown))
    assert issubclass(Unpredictable, InitlabError)
