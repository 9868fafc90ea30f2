"""From laws to theory's description: every number of a slot's law arrives where it acts."""

from dataclasses import replace
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS, resolve
from initlab.network.blueprint import Blueprint
from initlab.network.laws import Constant, Law, Normal, Uniform
from initlab.network.slot_table import possible_slots
from initlab.network.topology import Dims, Topology
from initlab.theory.from_laws import Unpredictable, model_from_laws
from initlab.theory.theory_model import Attention, Mlp, NormMoments, TheoryModel

DIMS = Dims(n_layer=2, n_head=4, n_embd=32, vocab_size=23, block_size=12, ffn_hidden=80, tied=False)


def blueprint(dims: Dims = DIMS, *, extra: dict[str, float] | None = None, **topology: Any) -> Blueprint:
    """Return gpt2's laws on any topology, with multipliers by slot name."""
    asked, extra = Topology(**topology), extra or {}
    gpt2, laws = resolve("gpt2"), []
    for slot in possible_slots(dims, asked):
        law = Law(dist=Constant(extra[slot.name]), train=False) if slot.name in extra else gpt2.law(slot)
        if law is not None:
            laws.append((slot, law))
    return Blueprint("gpt2", dims, asked, tuple(laws))


def described(**options: Any) -> TheoryModel:
    return model_from_laws(blueprint(**options), "gelu")


def named(init: str, dims: Dims = DIMS) -> TheoryModel:
    return model_from_laws(resolve(init).blueprint(dims), "gelu")


def changed(role: str, *, topology: dict[str, Any] | None = None, **changes: Any) -> TheoryModel:
    """Return gpt2 with the law of every slot of one role replaced in part."""
    base = blueprint(**(topology or {}))
    laws = tuple((slot, replace(law, **changes) if slot.role == role else law) for slot, law in base.laws)
    return model_from_laws(replace(base, laws=laws), "gelu")


def attention(model: TheoryModel, layer: int = 0) -> Attention:
    body = model.branches[2 * layer].body
    assert isinstance(body, Attention)
    return body


def mlp(model: TheoryModel, layer: int = 0) -> Mlp:
    body = model.branches[2 * layer + 1].body
    assert isinstance(body, Mlp)
    return body


def test_gpt2() -> None:
    found = described()
    assert (found.width, found.hidden, found.heads, found.length, found.vocab) == (32, 80, 4, 12, 23)
    assert found.layers == 2
    assert found.token == found.position == pytest.approx(0.0004)
    assert found.head == pytest.approx(32 * 0.0004)
    assert not found.tied
    assert found.final_norm == NormMoments()
    assert {branch.incoming for branch in found.branches} == {NormMoments()}
    assert {branch.skip for branch in found.branches} == {branch.scale for branch in found.branches} == {1.0}
    assert [matrix.gain for matrix in (attention(found).query, attention(found).out, mlp(found).up)] == pytest.approx(
        [32 * 0.0004] * 3
    )
    assert mlp(found).down.gain == pytest.approx(80 * 0.0004)
    assert mlp(found).gate is None


def test_tied_heads_read_the_embedding() -> None:
    found = named("pytorch", replace(DIMS, tied=True))
    assert found.tied
    assert found.token == pytest.approx(1 / (3 * 32))
    assert found.head == pytest.approx(1 / 3)


def test_biases_by_variance_and_depth_by_layer() -> None:
    found = named("pytorch")
    assert attention(found).query.bias == pytest.approx(1 / (3 * 32))
    assert mlp(found).down.bias == pytest.approx(1 / (3 * 80))
    assert mlp(named("depth-scaled")).down.gain == pytest.approx(80 * 0.0004 / 4)


def test_only_the_variance_of_a_law_counts() -> None:
    assert changed("query", dist=Uniform(0.02)) == described()


def test_forward_multipliers_are_squared() -> None:
    assert attention(changed("query", mult=-3.0)).query.gain == pytest.approx(9 * 32 * 0.0004)
    assert changed("token_embedding", mult=2.0).token == pytest.approx(4 * 0.0004)
    assert changed("norm_gain", dist=Constant(2.0)).branches[0].incoming == NormMoments(gain=4.0)
    assert changed("norm_bias", dist=Normal(0.5)).branches[0].incoming == NormMoments(bias=0.25)


def test_multiplier_slots() -> None:
    found = described(
        extra={
            "embed_scale.weight": 2.0,
            "logit_scale.weight": 3.0,
            "blocks.0.ffn.skip_scale.weight": 0.5,
            "blocks.1.ffn.branch_scale.weight": 0.1,
            "blocks.1.attn.norm_scale.weight": 0.7,
            "blocks.1.attn_scale.weight": 0.25,
            "blocks.0.ffn_up.scale": 5.0,
            "lm_head.scale": 2.0,
        }
    )
    assert found.token == pytest.approx(4 * 0.0004)
    assert found.head == pytest.approx(4 * 9 * 32 * 0.0004)
    assert [branch.skip for branch in found.branches] == [1, 0.25, 1, 1]
    assert [branch.scale for branch in found.branches] == pytest.approx([1, 1, 1, 0.01])
    assert [branch.incoming_scale for branch in found.branches] == pytest.approx([1, 1, 0.49, 1])
    assert attention(found, 0).scale == 1
    assert attention(found, 1).scale == pytest.approx(8 / 16)  # against 1/√8, the root of the head's width
    assert mlp(found).up.gain == pytest.approx(25 * 32 * 0.0004)


def test_a_scale_that_a_layer_shares() -> None:
    shared = described(shared_scales=True, extra={"blocks.1.branch_scale.weight": 0.1})
    assert [branch.scale for branch in shared.branches] == pytest.approx([1, 1, 0.01, 0.01])


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
    found = described(norm_at=norm_at, norm="rmsnorm")
    norms = {name: getattr(found.branches[0], name) for name in ("incoming", "inner", "outgoing", "after")}
    assert {name for name, norm in norms.items() if norm is not None} == set(where)
    assert all(norm.kind == "rmsnorm" for norm in norms.values() if norm is not None)
    assert (found.final_norm is None) == (norm_at in ("post", "none"))


def test_a_parallel_mlp_reads_what_its_attention_reads() -> None:
    found = described(parallel=True, extra={"blocks.1.attn.norm_scale.weight": 0.7})
    assert found.parallel
    assert found.branches[3].incoming == NormMoments()
    assert found.branches[3].incoming_scale == pytest.approx(0.49)


def test_a_parallel_mlp_may_read_a_norm_of_its_own() -> None:
    found = described(parallel=True, parallel_norms=True, extra={"blocks.1.ffn.norm_scale.weight": 0.7})
    assert found.parallel
    assert found.branches[2].incoming_scale == 1
    assert found.branches[3].incoming_scale == pytest.approx(0.49)


def test_alibi_is_not_predicted() -> None:
    with pytest.raises(Unpredictable, match='positions = "alibi"'):
        described(positions="alibi")


def test_other_topology() -> None:
    asked = described(sub_norm=True, qk_norm=True, embed_norm=True, softcap=15.0)
    assert asked.branches[0].inner == NormMoments()
    assert attention(asked).qk_norm == NormMoments()
    assert asked.embed_norm == NormMoments()
    assert asked.logit_softcap == 15
    waves = {positions: described(positions=positions) for positions in ("sinusoidal", "sinusoidal-fairseq")}
    assert all(found.sinusoidal for found in waves.values())
    assert [found.fairseq for found in waves.values()] == [False, True]
    assert described(gainless=True).branches[0].incoming == NormMoments()
    assert described(positions="rotary").rotary
    assert described(positions="none").position == 0
    one_plus = changed("norm_gain", topology={"norm_gain": "one-plus"}, dist=Constant(0.0))
    assert one_plus.branches[0].incoming == NormMoments()


def test_gated() -> None:
    found = described(dims=replace(DIMS, gated=True))
    gate = mlp(found).gate
    assert gate is not None
    assert gate.gain == pytest.approx(32 * 0.0004)


@pytest.mark.parametrize("how", ["joint", "calibrated"])
def test_an_init_without_a_law_per_slot_says_so(how: str) -> None:
    with pytest.raises(Unpredictable, match=r"query\.weight is"):
        changed("query", joint=how == "joint", calibrated=how == "calibrated")
    assert issubclass(Unpredictable, InitlabError)


def test_a_shift_that_is_not_zero_says_so() -> None:
    assert described(extra={"blocks.0.ffn_shift.weight": 0.0}).layers == 2
    with pytest.raises(Unpredictable, match=r"starts at 0\.1"):
        described(extra={"blocks.0.ffn_shift.weight": 0.1})


def test_the_whole_catalogue_can_be_read_or_says_why_not() -> None:
    silent = []
    for name in [name for name, _ in INITS.items()]:
        try:
            assert named(name, replace(DIMS, n_embd=64)).layers == 2
        except Unpredictable:
            silent.append(name)
    assert set(silent) <= {"lsuv", "admin", "mimetic", "looks-linear", "orthogonal", "admin-torch", "deepscale-lm"}
