"""An init applied to sizes: what it needs, what it refuses, and what makes two of them the same."""

from dataclasses import replace
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS, blueprint_for, resolve
from initlab.inits.compose import fixed, normal, override, without_biases
from initlab.inits.strategy import Init, Strategy
from initlab.network.blueprint import Blueprint, merge
from initlab.network.laws import ONES, Law, Normal
from initlab.network.topology import Topology
from initlab.spec.run import ModelSpec
from tests.networks import blueprint_of, tiny

WEIGHTS, MULTIPLIERS, NORMS, POSITIONS = "weights", "multipliers", "norms", "positions"
GROUPS, BATCH = "optimizer groups", "calibration batch"
NEEDS: dict[str, list[str]] = {
    **{init: [WEIGHTS] for init in ("gpt2", "depth-scaled", "pytorch", "trunc-normal", "zero-residual", "xavier")},
    **{init: [WEIGHTS] for init in ("neox", "mitchell", "olmo-llama", "orthogonal", "note-default-scaled")},
    "torchtitan": [WEIGHTS, POSITIONS],
    "spike-no-more": [WEIGHTS, MULTIPLIERS],
    "small-init": [WEIGHTS, MULTIPLIERS, POSITIONS],
    "fairseq": [WEIGHTS, MULTIPLIERS, NORMS, POSITIONS],
    "bloom": [WEIGHTS, NORMS],
    "t5": [WEIGHTS, MULTIPLIERS, NORMS, POSITIONS],
    "palm": [WEIGHTS, MULTIPLIERS, POSITIONS, "parallel block"],
    "gemma": [WEIGHTS, MULTIPLIERS, NORMS, POSITIONS],
    "spectral": [WEIGHTS, NORMS, POSITIONS, "logit soft-cap"],
    "deepnorm": [WEIGHTS, MULTIPLIERS, NORMS],
    "sub-ln": [WEIGHTS, NORMS],
    "fixup": [WEIGHTS, MULTIPLIERS, "scalar biases", NORMS],
    "rezero": [WEIGHTS, MULTIPLIERS, NORMS],
    "layerscale": [WEIGHTS, MULTIPLIERS],
    "wesar": [WEIGHTS, MULTIPLIERS],
    "admin": [WEIGHTS, MULTIPLIERS, NORMS, BATCH],
    "admin-torch": [WEIGHTS, MULTIPLIERS, NORMS],
    "mimetic": [WEIGHTS, "joint draws"],
    "looks-linear": [WEIGHTS, "joint draws"],
    "lsuv": [WEIGHTS, BATCH],
    **{init: [WEIGHTS, MULTIPLIERS, GROUPS] for init in ("mup", "depth-mup", "completep", "megatron-mup")},
    "u-mup": [WEIGHTS, MULTIPLIERS, NORMS, GROUPS],
}


@pytest.mark.parametrize("init", NEEDS)
def test_what_an_init_needs(init: str) -> None:
    assert blueprint_of(init, tiny(n_embd=64)).needs == NEEDS[init]


def test_a_spec_can_need_more_than_its_init() -> None:
    assert blueprint_of("gpt2", tiny(), norm="rmsnorm", positions="rotary").needs == [WEIGHTS, NORMS, POSITIONS]
    assert blueprint_of("gpt2", tiny(), softcap=30.0, parallel=True).needs == [
        WEIGHTS,
        "parallel block",
        "logit soft-cap",
    ]


def test_mup_at_its_base_still_changes_attention_but_groups_nothing() -> None:
    assert blueprint_of("mup", tiny(base_n_embd=32)).needs == [WEIGHTS, MULTIPLIERS]


def made(strategy: Strategy, **sizes: Any) -> Blueprint:
    return Init("made", {}, INITS.get("gpt2"), strategy).blueprint(tiny(**sizes))


def test_a_frozen_multiplier_needs_no_group_and_a_frozen_weight_does() -> None:
    assert not made(Strategy(override(normal(0.02), {"embed_scale": fixed(2.0)}))).moves_by_slot
    assert made(Strategy(override(normal(0.02), {"query": Law(dist=Normal(1.0), train=False)}))).moves_by_slot
    assert made(Strategy(override(normal(0.02), {"embed_scale": Law(dist=ONES, lr=0.1)}))).moves_by_slot


# Merging what an init is made for with what a spec asks.


def test_a_spec_that_asks_nothing_gets_the_inits_network() -> None:
    wanted = Topology(norm_at="post", softcap=15.0)
    assert merge(wanted, {}, "x") == wanted
    assert merge(wanted, {"norm_at": None, "softcap": None, "positions": None}, "x") == wanted


def test_a_spec_may_ask_for_what_the_init_leaves_open_or_has_already() -> None:
    asked = {"norm_at": "post", "norm": "rmsnorm", "softcap": 15}
    assert merge(Topology(norm_at="post"), asked, "x") == Topology(norm_at="post", norm="rmsnorm", softcap=15)


@pytest.mark.parametrize(
    ("init", "asked", "message"),
    [
        (
            "deepnorm",
            {"norm_at": "pre"},
            'init \'deepnorm\' needs norm_at = "post", but the model sets norm_at = "pre"',
        ),
        ("sub-ln", {"sub_norm": False}, "init 'sub-ln' needs sub_norm = true, but the model sets sub_norm = false"),
        ("spectral", {"softcap": 30.0}, "needs softcap = 15.0, but the model sets softcap = 30.0"),
        ("t5", {"positions": "learned"}, 'needs positions = "relative", but the model sets positions = "learned"'),
        ("rezero", {"norm_at": "sandwich"}, 'needs norm_at = "none"'),
        ("palm", {"parallel": False}, "needs parallel = true"),
    ],
)
def test_what_an_init_was_made_for_cannot_be_asked_away(init: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InitlabError) as caught:
        blueprint_of(init, tiny(), **asked)
    assert message in str(caught.value)
    (name,) = asked
    assert str(caught.value).endswith(f"leave {name} out, or take another init")
    assert blueprint_of(init, tiny(), **{name: getattr(resolve(init).strategy.topology, name)})


# What cannot be built, or should not be.


@pytest.mark.parametrize(
    ("init", "asked"), [("gpt2", {"positions": "rotary"}), ("torchtitan", {}), ("palm", {}), ("spectral", {})]
)
def test_rotary_positions_need_pairs_of_channels(init: str, asked: dict[str, Any]) -> None:
    with pytest.raises(
        InitlabError, match=r"rotary .* pairs of channels, but a head has n_embd / n_head = 5 of them"
    ):
        blueprint_of(init, tiny(n_embd=20, n_head=4), **asked)
    assert blueprint_of(init, tiny(n_embd=24, n_head=4), **asked)


@pytest.mark.parametrize("norm_at", ["sandwich", "branch-out"])
@pytest.mark.parametrize("init", ["zero-residual", "note-proj-0.02:factor=0"])
def test_a_norm_of_a_branch_that_is_exactly_zero_is_refused(init: str, norm_at: str) -> None:
    with pytest.raises(InitlabError) as caught:
        blueprint_of(init, tiny(), norm_at=norm_at)
    assert str(caught.value) == (
        f'norm_at = "{norm_at}" normalises the output of every branch, but init {resolve(init).name!r} starts '
        "blocks.0.attn_out.weight at zero: the norm of an exact zero is zero and its slope about 1/√eps, so the "
        "first step would explode"
    )


@pytest.mark.parametrize(
    ("init", "asked"),
    [
        ("zero-residual", {"norm_at": "pre"}),
        ("zero-residual", {"norm_at": "post"}),  # the norm is of the sum
        ("note-proj-0.02", {"norm_at": "sandwich"}),  # small is not zero
        ("skipinit", {}),  # the zero comes after the branch
        ("gpt2", {"qk_norm": True}),
        ("mup", {}),
    ],
)
def test_other_zeros_and_other_norms_are_not(init: str, asked: dict[str, Any]) -> None:
    assert blueprint_of(init, tiny(), **asked)


def test_a_norm_of_queries_that_are_exactly_zero_is_refused() -> None:
    with pytest.raises(InitlabError, match="qk_norm = true normalises queries and keys, but init 'mup'"):
        blueprint_of("mup", tiny(), qk_norm=True)


# Identity.


def test_identity_is_in_laws_and_topology_and_not_in_names() -> None:
    gpt2 = blueprint_of("gpt2", tiny())
    assert gpt2.digest == blueprint_of("normal", tiny()).digest == replace(gpt2, init="by another name").digest
    others = [
        blueprint_of("gpt2:std=0.03", tiny()),
        blueprint_of("uniform", tiny()),
        blueprint_of("gpt2", tiny(), norm_at="post"),
        blueprint_of("gpt2", tiny(bias=False)),
        blueprint_of("spike-no-more", tiny()),
        made(Strategy(override(normal(0.02), {"query": Law(dist=Normal(0.02), lr=2.0)}))),
    ]
    assert len({gpt2.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_a_hook_does_what_laws_do_not_say_so_its_name_counts() -> None:
    digests = {
        blueprint_of(init, tiny()).digest for init in ("mimetic", "mimetic:alpha_qk=0.5", "mimetic:alpha_qk=0.6")
    }
    assert len(digests) == 3


def test_networks_of_one_shape_train_together() -> None:
    shape = blueprint_of("gpt2", tiny()).shape
    alike = ["depth-scaled", "pytorch", "orthogonal", "lsuv", "mimetic", "zero-residual"]
    assert {blueprint_of(init, tiny()).shape for init in alike} == {shape}
    unlike = [blueprint_of(init, tiny()).shape for init in ("deepnorm", "layerscale", "wesar", "spike-no-more", "t5")]
    assert len({shape, *unlike}) == 1 + len(unlike)
    assert blueprint_of("gpt2", tiny(n_layer=3)).shape != shape
    assert blueprint_of("gpt2", tiny(tied=False)).shape != shape


def test_a_network_holds_the_slots_that_have_laws_in_the_order_of_the_forward_pass() -> None:
    blueprint = made(Strategy(without_biases(override(normal(0.02), {"norm_gain": None, "logit_scale": fixed(0.5)}))))
    assert blueprint.network.shapes == {slot.name: slot.shape for slot, _ in blueprint.laws}
    names = list(blueprint.network.shapes)
    assert [name for name in names if "norm" in name or "bias" in name] == []
    assert names[-2:] == ["blocks.1.ffn_down.weight", "logit_scale.weight"]


# From a spec.


def test_a_spec_decides_about_the_head_and_else_the_init_does() -> None:
    for tied, expected in ((None, {"gpt2": True, "neox": False}), (True, {"neox": True}), (False, {"gpt2": False})):
        for init, wanted in expected.items():
            found = blueprint_for(ModelSpec(tied=tied), init, "gelu", 32)
            assert found.dims.tied == wanted
            assert ("lm_head.weight" in found.network.shapes) != wanted


def test_a_gated_activation_brings_the_gate() -> None:
    names = {gate: set(blueprint_for(ModelSpec(), "gpt2", gate, 32).network.shapes) for gate in ("gelu", "swiglu")}
    extra = names["swiglu"] - names["gelu"]
    assert extra == {f"blocks.{layer}.ffn_gate.{part}" for layer in range(4) for part in ("weight", "bias")}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("init", "winner"),
    [
        ("gpt2", "token_embedding"),
        ("olmo-llama", "token_embedding"),
        ("pytorch", "lm_head"),
        ("torchtitan", "lm_head"),
    ],
)
def test_a_tied_tensor_is_drawn_once_by_one_of_its_roles(init: str, winner: str, tied: bool) -> None:
    found, sizes = resolve(init), tiny(tied=tied)
    laws = {slot.name: (slot, law) for slot, law in found.table(sizes)}
    slot, law = laws["token_embedding.weight"]
    assert slot.role == "token_embedding"
    assert ("lm_head.weight" in laws) != tied
    assert found.blueprint(sizes).drawn_as(slot) == (winner if tied else "token_embedding")
    apart: dict[str, Law] = {slot.role: law for slot, law in found.table(tiny(tied=False))}
    assert law == apart[winner if tied else "token_embedding"]
    assert init == "gpt2" or apart["lm_head"] != apart["token_embedding"], "else nothing was decided"


@pytest.mark.parametrize("norm_at", ["post", "branch-out", "none"])
def test_scaling_the_output_of_a_norm_that_is_not_there_is_refused(norm_at: str) -> None:
    with pytest.raises(InitlabError, match=f'norm_at = "{norm_at}" has no norm there'):
        blueprint_of("layernorm-scaling", tiny(), norm_at=norm_at)
    assert blueprint_of("layernorm-scaling", tiny(), norm_at="sandwich").topology.norm_at == "sandwich"
