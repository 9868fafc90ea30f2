from dataclasses import replace
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS, Init, resolve
from initlab.inits.compose import inv_sqrt_2l, normal, override, scaled, weights, writes_residual
from initlab.inits.strategy import InitEntry, Strategy, init
from initlab.network.laws import ONES, ZEROS, Constant, Law, Normal, Uniform
from initlab.network.slot_table import Network, gpt_slots
from initlab.network.slots import Slot
from initlab.network.topology import Topology
from tests.networks import tiny


def example(std: float = 0.5, layers: int = 2, deep: bool = False, kind: str = "plain") -> Strategy:
    """Everything normal.

    Why: to have one parameter of every type.
    """
    return Strategy(normal(std))


@pytest.fixture(autouse=True)
def registered() -> Any:
    with INITS.temporarily("example", InitEntry(example, "a test")):
        yield


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("gpt2", "gpt2"),
        (" gpt2 : std = 0.01 ", "gpt2:std=0.01"),
        ("gpt2:std=1e-2", "gpt2:std=0.01"),
        ("gpt2:std=0.010", "gpt2:std=0.01"),
        ("gpt2:std=0.02", "gpt2"),
        ("gpt2:std=1", "gpt2:std=1.0"),
        ("gpt2:std=0", "gpt2:std=0.0"),
        ("nanogpt", "depth-scaled"),
        ("gpt2-scaled:std=0.01", "depth-scaled:std=0.01"),
        ("note-proj-0.02:std=0.01,factor=0.5", "note-proj-0.02:factor=0.5,std=0.01"),
        ("note-proj-0.02:factor=0.5,std=0.01", "note-proj-0.02:factor=0.5,std=0.01"),
        ("note-proj-0.02:factor=0.5,std=0.02", "note-proj-0.02:factor=0.5"),
        ("example:deep=True,layers=3,kind=odd", "example:deep=True,kind=odd,layers=3"),
        ("example:deep=false", "example"),
    ],
)
def test_canonical_name(text: str, canonical: str) -> None:
    assert resolve(text).name == canonical
    assert resolve(canonical).name == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpt3", "unknown init 'gpt3'; did you mean 'gpt2'?"),
        ("", "unknown init ''"),
        ("gpt2:sdt=0.01", "init 'gpt2:sdt=0.01': gpt2 has no parameter 'sdt'; did you mean 'std'?"),
        ("gpt2:gain=1", "gpt2 has no parameter 'gain'; legal are: std"),
        ("nanogpt:sd=1", "depth-scaled has no parameter 'sd'; did you mean 'std'?"),
        ("pytorch:std=1", "pytorch has no parameter 'std'; legal are: tie"),
        ("neox:std=1", "neox has no parameter 'std'; it has none"),
        ("gpt2:0.01", "expected key=value after the colon, got '0.01'"),
        ("gpt2:std", "expected key=value after the colon, got 'std'"),
        ("gpt2:", "expected key=value after the colon, got ''"),
        ("gpt2:std=0.01,", "expected key=value after the colon, got ''"),
        ("gpt2:std=", "expected a number as std, got ''"),
        ("gpt2:std=big", "expected a number as std, got 'big'"),
        ("gpt2:std=-0.01", "expected a finite number that is not negative as std, got '-0.01'"),
        ("gpt2:std=nan", "expected a finite number that is not negative as std, got 'nan'"),
        ("gpt2:std=inf", "expected a finite number that is not negative as std, got 'inf'"),
        ("example:layers=2.5", "expected a whole number as layers, got '2.5'"),
        ("example:deep=yes", "expected true or false as deep, got 'yes'"),
        ("normal:width=fanin", "init 'normal:width=fanin': no width 'fanin'; did you mean 'fan-in'?"),
        ("normal:depth=inv-sqrt-l2", "no depth 'inv-sqrt-l2'; did you mean 'inv-sqrt-l"),
        ("xavier:dist=gauss", "no dist 'gauss'; legal are: normal, uniform"),
        ("sub-ln:base=xaver", "no base 'xaver'; did you mean 'xavier'?"),
        ("spectral:zero=0", "expected true or false as zero, got '0'"),
    ],
)
def test_a_wrong_parameter_is_an_error_with_the_right_one(text: str, message: str) -> None:
    with pytest.raises(InitlabError) as caught:
        resolve(text)
    assert message in str(caught.value)


def test_parameters_reach_the_laws() -> None:
    found = resolve("gpt2:std=0.25")
    assert found.parameters == {"std": 0.25}
    assert dict_of_laws(found)["blocks.0.query.weight"] == Law(dist=Normal(0.25))


def test_types_of_parameters() -> None:
    found = resolve("example:layers=3,deep=true,kind=odd")
    assert found.parameters == {"std": 0.5, "layers": 3, "deep": True, "kind": "odd"}


def test_an_entry_describes_itself_from_its_docstring_and_signature() -> None:
    entry = INITS.get("example")
    assert entry.summary == "Everything normal."
    assert entry.why == "Why: to have one parameter of every type."
    assert entry.parameters == {"std": 0.5, "layers": 2, "deep": False, "kind": "plain"}
    assert entry.source == "a test"


def test_an_init_is_registered_by_decorating_a_function() -> None:
    try:
        decorated = init("decorated", source="here", aliases=("also",))(example)
        assert decorated is example
        assert resolve("also:std=1").name == "decorated:std=1.0"
    finally:
        del INITS._entries["decorated"], INITS._aliases["also"]


def dict_of_laws(found: Init, **dims: Any) -> dict[str, Law]:
    return {slot.name: law for slot, law in found.table(tiny(**dims))}


def bound(law: Any) -> Init:
    return Init("bound", {}, INITS.get("example"), Strategy(law))


def test_a_slot_without_a_law_does_not_exist() -> None:
    def no_shift(slot: Slot) -> Law | None:
        return None if slot.name == "final_norm.bias" else normal(1.0)(slot)

    found = dict_of_laws(bound(no_shift))
    assert "final_norm.bias" not in found
    assert len(found) == len(gpt_slots(tiny())) - 1


@pytest.mark.parametrize("name", ["position_embedding.weight", "blocks.1.query.weight", "lm_head.weight"])
def test_what_a_network_cannot_be_without_needs_a_law(name: str) -> None:
    found = bound(lambda slot: None if slot.name == name else normal(1.0)(slot))
    with pytest.raises(InitlabError, match=f"'bound' gives no law to {name}, which the network cannot be without"):
        found.table(tiny(tied=False))


def test_weights_leaves_norms_the_identity_and_biases_zero_unless_told() -> None:
    laws = dict_of_laws(bound(weights(lambda slot: Normal(1.0))))
    assert laws["blocks.0.attn.norm.weight"].dist == laws["final_norm.weight"].dist == ONES
    assert laws["blocks.0.attn.norm.bias"].dist == laws["blocks.0.ffn_up.bias"].dist == ZEROS
    with_biases = dict_of_laws(bound(weights(lambda slot: Normal(1.0), biases=lambda slot: Uniform(slot.fan_in))))
    assert with_biases["blocks.0.ffn_down.bias"].dist == Uniform(80)
    assert with_biases["blocks.0.attn.norm.bias"].dist == ZEROS


def test_scaled_multiplies_draws_where_told_and_keeps_the_rest_of_the_law() -> None:
    def base(slot: Slot) -> Law | None:
        if slot.role == "norm_gain":
            return None
        return Law(dist=Constant(3.0) if slot.role == "bias" else Normal(1.0), mult=2.0, lr=0.5, wd=0.25, eps=4.0)

    law = scaled(base, lambda slot: slot.role in {"bias", "query", "norm_gain"}, lambda slot: 0.5)
    laws = dict_of_laws(bound(law))
    assert laws["blocks.1.query.weight"] == Law(dist=Normal(0.5), mult=2.0, lr=0.5, wd=0.25, eps=4.0)
    assert laws["blocks.1.query.bias"].dist == Constant(1.5)
    assert laws["blocks.1.key.weight"] == Law(dist=Normal(1.0), mult=2.0, lr=0.5, wd=0.25, eps=4.0)
    assert "final_norm.weight" not in laws


def test_scaling_composes() -> None:
    twice = scaled(scaled(normal(1.0), writes_residual, lambda slot: 0.5), writes_residual, lambda slot: 0.25)
    assert dict_of_laws(bound(twice))["blocks.0.ffn_down.weight"].dist == Normal(0.125)


def test_one_over_the_root_of_the_number_of_branches() -> None:
    for n_layer, factor in ((2, 1 / 2), (8, 1 / 4), (18, 1 / 6)):  # 2L = 4, 16, 36
        assert inv_sqrt_2l(gpt_slots(tiny(n_layer=n_layer))[0]) == factor


@pytest.mark.parametrize(
    ("law", "needs"),
    [
        (Law(dist=ONES), ["weights"]),
        (Law(dist=ONES, mult=2.0), ["weights", "multipliers"]),
        (Law(dist=ONES, lr=0.5), ["weights", "optimizer groups"]),
        (Law(dist=ONES, wd=0.0), ["weights", "optimizer groups"]),
        (Law(dist=ONES, eps=0.5), ["weights", "optimizer groups"]),
        (Law(dist=ONES, train=False), ["weights", "optimizer groups"]),
        (Law(dist=ONES, mult=0.5, lr=2.0), ["weights", "multipliers", "optimizer groups"]),
    ],
)
def test_needs_are_derived_from_the_laws(law: Law, needs: list[str]) -> None:
    rest = override(normal(1.0), {"norm_gain": ZEROS})
    one_slot = bound(lambda slot: law if slot.name == "final_norm.weight" else rest(slot))
    assert one_slot.blueprint(tiny()).needs == needs


def test_topology_is_the_plain_one_unless_given() -> None:
    assert bound(normal(1.0)).blueprint(tiny()).topology == Topology()
    without = Init("x", {}, INITS.get("example"), Strategy(normal(1.0), Topology(norm_at="none")))
    assert not without.blueprint(tiny()).topology.final_norm


# A model that is not ours


def llama_like() -> Network:
    """Return a network whose keys and values are fewer than its queries, and whose queries alone have a bias."""
    dims, topology = tiny(bias=False, tied=False, gated=True), Topology(norm="rmsnorm", positions="rotary")
    slots = []
    for slot in gpt_slots(replace(dims, bias=True), topology):
        if slot.role in ("key", "value"):
            slot = replace(slot, shape=(8, 32), fan_out=8)
        if slot.role != "bias" or slot.of == "query":
            slots.append(replace(slot, dims=dims))
    return Network(dims, topology, tuple(slots))


def test_an_init_is_applied_to_the_slots_of_a_model_that_is_not_ours() -> None:
    network = llama_like()
    found = resolve("xavier").blueprint_for(network)
    laws = {slot.name: (slot.shape, law.dist) for slot, law in found.laws}
    assert laws["blocks.1.key.weight"] == ((8, 32), Uniform((2 / (8 + 32)) ** 0.5))
    assert laws["blocks.1.query.weight"] == ((32, 32), Uniform((2 / (32 + 32)) ** 0.5))
    assert "blocks.1.key.bias" not in laws
    assert laws["blocks.1.query.bias"][1] == ZEROS
    assert {slot.name for slot, _ in found.laws} == set(network.shapes)
    assert found.network.shapes == network.shapes
    assert found.topology == network.topology


def test_multipliers_of_the_init_are_slots_of_such_a_model_too() -> None:
    found = resolve("mup").blueprint_for(llama_like())
    assert found.needs == resolve("mup").blueprint(tiny(tied=False), {"norm": "rmsnorm", "positions": "rotary"}).needs
    assert {slot.role for slot, _ in found.laws if slot.is_extra} == {"attn_scale", "logit_scale"}
    scale = next(slot for slot, _ in resolve("wesar").blueprint_for(llama_like()).laws if slot.of == "key")
    assert (scale.name, scale.fan_in, scale.fan_out) == ("blocks.0.key.scale", 32, 8)


def test_a_slot_that_our_network_has_not_gets_its_roles_law() -> None:
    network = llama_like()
    expert = replace(network.slots[-1], name="blocks.0.experts.3.ffn_up.weight", role="ffn_up", layer=0, branch=1)
    found = resolve("gpt2").blueprint_for(replace(network, slots=(*network.slots, expert)))
    assert found.laws[-1] == (expert, Law(dist=Normal(0.02)))


@pytest.mark.parametrize("name", [name for name, _ in INITS.items()])
def test_of_our_own_network_nothing_else_comes_out(name: str) -> None:
    one = resolve(name)
    topology = replace(one.strategy.topology, channel_scales=False, shared_scales=False)
    dims = tiny(tied=one.strategy.tied)
    ours = one.blueprint_for(Network(dims, topology, gpt_slots(dims, topology)))
    assert (ours.digest, ours.shape) == (one.blueprint(dims).digest, one.blueprint(dims).shape)


def test_a_model_of_another_topology_is_refused() -> None:
    with pytest.raises(InitlabError, match="init 't5' needs positions = \"relative\", but the model sets"):
        resolve("t5").blueprint_for(llama_like())
    with pytest.raises(InitlabError, match=r"gives no law to blocks\.0\.key\.weight"):
        Init("x", {}, INITS.get("gpt2"), Strategy(override(normal(0.02), {"key": None}))).blueprint_for(llama_like())
