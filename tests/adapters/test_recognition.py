"""A model is recognised by its tensors, read slot by slot, and what holds no slot is listed."""

from dataclasses import asdict
from typing import Any

import pytest
import torch

from initlab.adapters.adapter import ADAPTERS
from initlab.adapters.native import NATIVE
from initlab.adapters.recognition import model_state, read_model
from initlab.adapters.slicing import to_slots
from initlab.errors import InitlabError
from tests.adapters.models import own_blueprint, written_model

FAMILIES = [name for name, _ in ADAPTERS.items()]
FOREIGN = [name for name in FAMILIES if name != NATIVE]


def config_of(family: str, **model: Any) -> dict[str, Any]:
    adapter = ADAPTERS.get(family)
    blueprint = own_blueprint(adapter, **model)
    if family == NATIVE:
        return {"dims": asdict(blueprint.dims), "topology": blueprint.topology.to_json(), "activation": "gelu"}
    return adapter.config(blueprint, adapter.activation)


@pytest.mark.parametrize("shapes_alone", [False, True])
@pytest.mark.parametrize("model", [{}, {"bias": True}, {"bias": False}, {"tied": False}, {"tied": True}], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_is_read(family: str, model: dict[str, Any], shapes_alone: bool) -> None:
    if family == "nanogpt":
        model = {**model, "tied": True}
    adapter = ADAPTERS.get(family)
    where, slots, state = written_model(adapter, **model)
    shown = {name: tuple(x.shape) for name, x in state.items()} if shapes_alone else state
    found = read_model(shown, config_of(family, **model))
    assert (found.family, found.activation) == (family, adapter.activation)
    assert (found.network, found.slices, found.copies) == (where.network, where.slices, where.copies)
    assert (found.unmapped, found.assumed) == ((), {})
    if not shapes_alone:
        assert all(torch.equal(x, slots[name]) for name, x in to_slots(found, state).items())


@pytest.mark.parametrize("family", FAMILIES)
def test_one_family_recognises_a_model_and_the_others_do_not(family: str) -> None:
    _, _, state = written_model(ADAPTERS.get(family))
    recognise = {name: adapter.recognises(model_state(state)) for name, adapter in ADAPTERS.items()}
    assert recognise == {name: name == family for name in recognise}


@pytest.mark.parametrize("family", FOREIGN)
def test_without_a_config_sizes_that_tensors_do_not_say_are_said_to_be_assumed(family: str) -> None:
    where, slots, state = written_model(ADAPTERS.get(family), n_embd=128, n_head=2, tied=family != "hf-llama")
    found = read_model(state)
    assumed = {"n_head", "block_size"} if family == "hf-llama" else {"n_head"}
    assert set(found.assumed) == assumed
    assert found.network.dims.n_head == 2  # of 64 channels each
    assert found.network.dims.n_layer == where.network.dims.n_layer
    assert found.network.shapes == where.network.shapes
    assert all(torch.equal(x, slots[name]) for name, x in to_slots(found, state).items())


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model.inner."])
@pytest.mark.parametrize("family", FOREIGN)
def test_prefixes_of_wrappers_are_seen_through(family: str, prefix: str) -> None:
    where, _, state = written_model(ADAPTERS.get(family))
    found = read_model({prefix + name: x for name, x in state.items()}, config_of(family))
    assert found.network == where.network
    assert {part.tensor for part in found.slices.values()} == {prefix + part.tensor for part in where.slices.values()}
    assert found.copies == {prefix + copy: prefix + name for copy, name in where.copies.items()}


@pytest.mark.parametrize(("family", "root"), [("hf-gpt2", "transformer."), ("hf-llama", "model.")])
def test_a_bare_decoder_has_no_root_and_no_head(family: str, root: str) -> None:
    where, _, state = written_model(ADAPTERS.get(family), tied=True)
    bare = {name.removeprefix(root): x for name, x in state.items() if name.startswith(root)}
    found = read_model(bare, config_of(family, tied=True))
    assert found.network == where.network
    assert found.copies == {}


@pytest.mark.parametrize(
    ("family", "extra"),
    [
        ("nanogpt", "transformer.h.1.attn.bias"),
        ("hf-gpt2", "transformer.h.0.attn.bias"),
        ("hf-gpt2", "transformer.h.0.attn.masked_bias"),
        ("hf-llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("hf-llama", "model.rotary_emb.inv_freq"),
        ("hf-gpt2", "score.weight"),
        (NATIVE, "elsewhere.weight"),
    ],
)
def test_tensors_that_hold_no_slot_are_listed(family: str, extra: str) -> None:
    where, _, state = written_model(ADAPTERS.get(family))
    found = read_model({**state, extra: torch.zeros(3)}, config_of(family))
    assert found.unmapped == (extra,)
    assert found.network.shapes == where.network.shapes


def test_a_tied_head_is_known_by_its_memory_where_no_config_says_it() -> None:
    _, _, state = written_model(ADAPTERS.get("hf-llama"), tied=True)
    assert not read_model(state).network.dims.tied  # Llama's are not, and the copy has memory of its own
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    tied = read_model(state)
    assert tied.network.dims.tied
    assert tied.copies == {"lm_head.weight": "model.embed_tokens.weight"}


def test_of_two_names_for_one_memory_the_later_is_the_copy() -> None:
    weight = torch.zeros(3, 2)
    state = model_state({"a": weight, "b": weight, "part": weight[:1], "c": weight.clone(), "d": (3, 2)})
    assert state.shared == {"b": "a"}
    assert state.shapes == {"a": (3, 2), "b": (3, 2), "part": (1, 2), "c": (3, 2), "d": (3, 2)}
    meta = torch.zeros(3, 2, device="meta")
    assert model_state({"a": meta, "b": meta}).shared == {}


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ("transformer.h.0.attn.c_attn.weight", {}),  # lacking
        ("transformer.wte.weight", {}),
        ("+transformer.h.0.crossattention.c_attn.weight", {}),  # one too many
        ("+encoder.wte.weight", {}),
        ("", {"model_type": "gptj"}),
    ],
)
def test_another_architecture_is_not_recognised(change: str, config: dict[str, Any]) -> None:
    _, _, state = written_model(ADAPTERS.get("hf-gpt2"))
    if change.startswith("+"):
        state[change[1:]] = torch.zeros(3, 3)
    elif change:
        del state[change]
    with pytest.raises(InitlabError, match=r"no family recognises a model with these .* families are .*nanogpt"):
        read_model(state, config)


def test_a_family_that_is_named_says_what_is_wrong() -> None:
    _, _, state = written_model(ADAPTERS.get("hf-gpt2"))
    with pytest.raises(InitlabError, match=r"not nanoGPT's model.py: .*weight has shape \(32, \d+\), which meets no"):
        read_model(state, family="nanogpt")
    with pytest.raises(InitlabError, match=r"the model has no embed_tokens\.weight"):
        read_model(state, family="hf-llama")
    del state["transformer.h.2.mlp.c_fc.weight"]
    with pytest.raises(InitlabError, match=r"the model has no tensor transformer\.h\.2\.mlp\.c_fc\.weight"):
        read_model(state, family="hf-gpt2")
    with pytest.raises(InitlabError, match="did you mean 'hf-gpt2'"):
        read_model(state, family="hf-gpt")
    with pytest.raises(InitlabError, match="no family recognises a model with these 0 tensors;"):
        read_model({})


def test_two_families_that_recognise_one_model_are_named() -> None:
    class Twin(type(ADAPTERS.get("nanogpt"))):  # type: ignore[misc]
        pass

    _, _, state = written_model(ADAPTERS.get("nanogpt"))
    with ADAPTERS.temporarily("twin", Twin()):
        with pytest.raises(InitlabError, match="could be nanogpt or twin: name its family"):
            read_model(state)
        assert read_model(state, family="twin").family == "twin"
