"""``as_source``: from what is asked to the network of the init's source."""

from typing import Any

import pytest

from initlab.activations.functions import ACTIVATIONS
from initlab.data.corpora import load_corpus
from initlab.errors import InitlabError
from initlab.inits.as_source import differences, network_of, sourced
from initlab.inits.catalogue import blueprint_for, in_order, resolve
from initlab.inits.strategy import INITS
from initlab.network.source_network import SourceNetwork
from initlab.planning.expand import expand
from initlab.spec.identity import run_id
from initlab.spec.run import ModelSpec, RunSpec
from initlab.spec.sweep import Grid, SweepSpec

BUILT_IN = [name for name, _ in in_order() if INITS.is_built_in(name)]
SOURCED = [name for name in BUILT_IN if isinstance(INITS.get(name).network, SourceNetwork)]
LLAMA = {"norm": "rmsnorm", "bias": False, "positions": "rotary", "tied": True, "ffn_matched": True}


def planned(**axes: Any) -> list[Any]:
    fixed = {"model.n_layer": 1, "model.n_embd": 32, "model.block_size": 8, "train.steps": 0}
    return expand(SweepSpec(fixed=fixed, grids=(Grid(dict(axes)),)))


def test_nothing_is_taken_where_nobody_asks() -> None:
    model = ModelSpec(n_layer=2)
    assert sourced(model, "llama2c") == (model, "gelu")
    assert sourced(model, "llama2c", "relu") == (model, "relu")


def test_the_sources_network_is_filled_in_and_stays() -> None:
    model, activation = sourced(ModelSpec(as_source=True), "llama2c")
    assert activation == "swiglu"
    assert {name: getattr(model, name) for name in LLAMA} == LLAMA
    assert sourced(model, "llama2c", activation) == (model, activation)
    stored = ModelSpec.model_validate(model.model_dump())
    assert sourced(stored, "llama2c", activation) == (model, activation)


@pytest.mark.parametrize("init", SOURCED)
def test_every_network_of_a_source_can_be_built_and_is_then_no_other(init: str) -> None:
    model, activation = sourced(ModelSpec(n_layer=2, n_embd=32, block_size=8, as_source=True), init)
    assert activation in ACTIVATIONS
    blueprint = blueprint_for(model, init, activation, 50)
    assert differences(resolve(init), blueprint, activation, ffn_matched=model.ffn_matched) == {}


@pytest.mark.parametrize("init", [name for name in BUILT_IN if name not in SOURCED])
def test_an_init_without_a_network_says_why(init: str) -> None:
    reason = INITS.get(init).network
    with pytest.raises(InitlabError, match="has no network of a source") as caught:
        sourced(ModelSpec(as_source=True), init)
    assert str(reason) in str(caught.value)
    assert differences(resolve(init), blueprint_for(ModelSpec(), init, "gelu", 50), "gelu") == {}


def test_most_inits_have_one() -> None:
    assert len(SOURCED) >= 20
    assert network_of(resolve("neox")).rotary_fraction == 0.25


@pytest.mark.parametrize(
    ("given", "activation", "said"),
    [
        ({"bias": True}, None, ["bias = false", "bias = true", "leave bias out, or as_source"]),
        ({"norm": "layernorm", "tied": False}, None, ["norm", "tied", "leave norm and tied out"]),
        ({}, "gelu", ['activation = "swiglu"', 'activation = "gelu"']),
        ({"ffn_matched": False}, None, ["ffn_matched = true"]),
    ],
)
def test_a_field_that_says_something_else_is_refused(given: Any, activation: str | None, said: list[str]) -> None:
    with pytest.raises(InitlabError, match="takes the network of the source of init 'llama2c'") as caught:
        sourced(ModelSpec(as_source=True, **given), "llama2c", activation)
    assert all(part in str(caught.value) for part in said)


def test_a_field_that_says_the_same_is_not() -> None:
    assert sourced(ModelSpec(as_source=True, bias=False, norm="rmsnorm"), "llama2c", "SwiGLU".lower())[1] == "swiglu"


def test_a_blueprint_is_never_of_another_network_than_asked() -> None:
    asked = ModelSpec(n_layer=1, as_source=True)
    assert blueprint_for(asked, "llama2c", "swiglu", 50) == blueprint_for(
        sourced(asked, "llama2c")[0], "llama2c", "swiglu", 50
    )
    with pytest.raises(InitlabError, match="activation"):
        blueprint_for(asked, "llama2c", "gelu", 50)


def test_differences_are_fields_with_both_values() -> None:
    found = differences(resolve("neox"), blueprint_for(ModelSpec(), "neox", "gelu", 50), "gelu")
    assert found == {
        "positions": ("learned", "rotary"),
        "rotary_fraction": (1.0, 0.25),
        "parallel": (False, True),
        "parallel_norms": (False, True),
        "activation": ("gelu", "gelu-tanh"),
    }


def test_a_run_has_the_network_in_its_spec_and_so_in_its_id() -> None:
    (plain, full) = planned(**{"init": ["llama2c"], "model.as_source": [False, True]})
    assert plain.id != full.id
    assert full.spec.activation == "swiglu"
    assert full.spec.model.norm == "rmsnorm"
    assert not full.spec.model.bias
    by_hand = {f"model.{name}": [value] for name, value in LLAMA.items()}
    (same,) = planned(init=["llama2c"], activation=["swiglu"], **by_hand)
    assert same.id == full.id
    assert plain.entry.cell.axes == {"model.as_source": False}
    assert full.entry.cell.axes == {"model.as_source": True}


def test_what_the_source_sets_is_no_axis() -> None:
    runs = planned(**{"init": ["llama2c", "gpt2", "neox"], "model.as_source": [True]})
    assert [run.spec.activation for run in runs] == ["swiglu", "gelu-tanh", "gelu-tanh"]
    assert [run.entry.cell.axes for run in runs] == [{}, {}, {}]
    assert [run.entry.cell.fields["model.parallel"] for run in runs] == [False, False, True]


def test_a_sweep_that_names_another_activation_is_refused_with_its_place() -> None:
    with pytest.raises(InitlabError, match=r"model\.as_source.*activation"):
        planned(**{"init": ["llama2c"], "activation": ["relu"], "model.as_source": [True]})


def test_asking_for_nothing_leaves_ids_as_they_were() -> None:
    corpus = load_corpus("synthetic")
    with_it = RunSpec(model=ModelSpec(as_source=False))
    assert run_id(with_it, corpus, "laws") == run_id(RunSpec(), corpus, "laws")
