"""The network in every shape an init or a spec may ask for, against the same function written in numpy.

Everything is float64: a network of two layers is some twenty sums of at most 80 products of order 1, so that 1e-12 is
several thousand roundings. Each switch has its twin: the reference without it must be told apart.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from initlab.network.slot_table import Network, gpt_slots, possible_slots
from initlab.network.slots import Slot
from initlab.network.topology import Dims, NormPlacement, Positions, Topology
from tests.networks import Tensors, holding, random_tokens, random_values, tiny
from tests.reference import Array, Reference

pytestmark = pytest.mark.usefixtures("one_thread")

ROUNDING = 1e-12
TOLD_APART = 1e-3
"""Logits are of order 1."""

OPTIONS: dict[str, dict[str, Any]] = {
    "post": {"norm_at": "post"},
    "sandwich": {"norm_at": "sandwich"},
    "branch-out": {"norm_at": "branch-out"},
    "no norms": {"norm_at": "none"},
    "rmsnorm": {"norm": "rmsnorm"},
    "one-plus": {"norm_gain": "one-plus"},
    "embed_norm": {"embed_norm": True},
    "sub_norm": {"sub_norm": True},
    "qk_norm": {"qk_norm": True},
    "sinusoidal": {"positions": "sinusoidal"},
    "fairseq's sinusoids": {"positions": "sinusoidal-fairseq"},
    "rotary": {"positions": "rotary"},
    "a quarter rotary": {"positions": "rotary", "rotary_fraction": 0.25},
    "alibi": {"positions": "alibi"},
    "relative": {"positions": "relative"},
    "no positions": {"positions": "none"},
    "parallel": {"parallel": True},
    "parallel, two norms": {"parallel": True, "parallel_norms": True},
    "gainless": {"gainless": True},
    "softcap": {"softcap": 2.0},
}
SIZES = [{}, {"bias": False}, {"tied": False, "gated": True}]


def sizes(**changes: Any) -> Dims:
    """Long enough that relative positions leave their exact buckets."""
    return tiny(**{"block_size": 24, **changes})


def numpied(tensors: Tensors) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def model_logits(network: Network, tensors: Tensors, activation: str = "gelu") -> Array:
    with torch.no_grad():
        logits: Array = holding(network, tensors, activation)(random_tokens(network.dims, 2))[0].numpy()
    return logits


def reference_logits(dims: Dims, topology: Topology, tensors: Tensors, activation: str = "gelu") -> Array:
    return Reference(dims, topology, numpied(tensors), activation).logits(random_tokens(dims, 2).numpy())


def difference(ours: Array, theirs: Array) -> float:
    return float(np.abs(ours - theirs).max())


def extras(dims: Dims, topology: Topology) -> list[Slot]:
    return [slot for slot in possible_slots(dims, topology) if slot.is_extra]


# Switches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", SIZES, ids=str)
@pytest.mark.parametrize("option", sorted(set(OPTIONS) - {"no positions", "gainless"}))
def test_every_option_is_the_reference_and_makes_a_difference(option: str, changes: dict[str, Any]) -> None:
    dims, topology = sizes(**changes), Topology(**OPTIONS[option])
    slots = gpt_slots(dims, topology)
    tensors = random_values(slots, dtype=torch.float64)
    ours = model_logits(Network(dims, topology, slots), tensors)
    assert difference(ours, reference_logits(dims, topology, tensors)) < ROUNDING
    # What the plain topology needs and this one lacks: a table that does not exist is one of zeros.
    position = np.zeros((dims.block_size, dims.n_embd))
    twin = {"position_embedding.weight": torch.from_numpy(position), **tensors}
    assert difference(ours, reference_logits(dims, Topology(), twin)) > TOLD_APART


def test_no_positions_is_no_table_at_all() -> None:
    dims, topology = sizes(), Topology(positions="none")
    slots = gpt_slots(dims, topology)
    tensors = random_values(slots, dtype=torch.float64)
    ours = model_logits(Network(dims, topology, slots), tensors)
    table = {"position_embedding.weight": torch.zeros(dims.block_size, dims.n_embd, dtype=torch.float64)}
    assert difference(ours, reference_logits(dims, Topology(), {**tensors, **table})) < ROUNDING
    table["position_embedding.weight"][3, ::2] = 0.1  # in every other channel: norms take out what is in all
    assert difference(ours, reference_logits(dims, Topology(), {**tensors, **table})) > TOLD_APART


def test_gainless_norms_only_normalise() -> None:
    dims, topology = sizes(), Topology(gainless=True)
    slots = gpt_slots(dims, topology)
    tensors = random_values(slots, dtype=torch.float64)
    ours = model_logits(Network(dims, topology, slots), tensors)
    assert difference(ours, reference_logits(dims, topology, tensors)) < ROUNDING
    plain = random_values(gpt_slots(dims), dtype=torch.float64) | tensors  # with gains and biases
    assert difference(ours, reference_logits(dims, Topology(), plain)) > TOLD_APART


def test_the_options_are_all_there_are() -> None:
    """What is left out here stands elsewhere: the scales' own switches below, the defaults everywhere."""
    seen = {(name, value) for option in OPTIONS.values() for name, value in option.items()}
    assert {name for name, _ in seen} | {"channel_scales", "shared_scales"} == set(Topology.__dataclass_fields__)
    assert {value for name, value in seen if name == "norm_at"} | {"pre"} == set(get_args(NormPlacement))
    assert {value for name, value in seen if name == "positions"} | {"learned"} == set(get_args(Positions))


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_norms_without_gains_only_normalise(norm: Any) -> None:
    dims, topology = sizes(bias=False), Topology(norm=norm, embed_norm=True, qk_norm=True, sub_norm=True)
    slots = tuple(slot for slot in gpt_slots(dims, topology) if slot.role != "norm_gain")
    assert len(slots) < len(gpt_slots(dims, topology))
    tensors = random_values(slots, dtype=torch.float64)
    ours = model_logits(Network(dims, topology, slots), tensors)
    assert difference(ours, reference_logits(dims, topology, tensors)) < ROUNDING
    gained = {**tensors, "blocks.1.key_norm.weight": torch.full((dims.head_size,), 1.1, dtype=torch.float64)}
    assert difference(ours, reference_logits(dims, topology, gained)) > TOLD_APART


@pytest.mark.parametrize("activation", ["swiglu", "geglu-tanh", "reglu", "bilinear"])
def test_a_gated_mlp_multiplies_by_the_activated_gate(activation: str) -> None:
    dims = sizes(gated=True, bias=False)
    slots = gpt_slots(dims)
    tensors = random_values(slots, dtype=torch.float64)
    ours = model_logits(Network(dims, Topology(), slots), tensors, activation)
    assert difference(ours, reference_logits(dims, Topology(), tensors, activation)) < ROUNDING
    exchanged = {
        name: tensors[name.replace("ffn_up", "?").replace("ffn_gate", "ffn_up").replace("?", "ffn_gate")]
        for name in tensors
    }
    swapped = difference(ours, reference_logits(dims, Topology(), exchanged, activation))
    assert swapped < ROUNDING if activation == "bilinear" else swapped > TOLD_APART
    assert (
        difference(ours, reference_logits(replace(dims, gated=False), Topology(), tensors, activation)) > TOLD_APART
    )


# Multipliers and scalar biases --------------------------------------------------------------------------------------

ROTARY = Topology(positions="rotary")  # under which nothing added to all keys cancels in the softmax
CONTEXTS: dict[str, tuple[Dims, Topology]] = {
    "all of a block's": (sizes(tied=False, gated=True), ROTARY),
    "tied, learned positions": (sizes(), Topology()),
    "post-norm": (sizes(), Topology(norm_at="post", positions="rotary")),
    "parallel": (sizes(), Topology(parallel=True, positions="rotary")),
    "a number a channel": (sizes(), replace(ROTARY, channel_scales=True)),
    "one for both branches": (sizes(), replace(ROTARY, shared_scales=True)),
    "one for both branches, a number a channel": (
        sizes(),
        replace(ROTARY, shared_scales=True, channel_scales=True, norm_at="none"),
    ),
}
SHOWN = {
    "tied, learned positions": ("token_embedding.scale", "position_embedding.scale", "embed_scale.", "logit_scale."),
    "post-norm": ("skip_scale", "norm_scale", "branch_scale"),
    "parallel": ("norm_scale", "branch_scale"),
    "a number a channel": ("skip_scale", "branch_scale"),
    "one for both branches": ("skip_scale", "branch_scale"),
    "one for both branches, a number a channel": ("skip_scale", "branch_scale"),
}
"""What a context is there for; the first shows every slot."""


def single_extras() -> Iterator[tuple[str, str]]:
    """Yield (context, slot) for the multipliers outside the blocks and of the second one."""
    for context, (dims, topology) in CONTEXTS.items():
        for slot in extras(dims, topology):
            wanted = any(part in slot.name for part in SHOWN[context]) if context in SHOWN else True
            if wanted and slot.layer in (None, 1):
                yield context, slot.name


@pytest.mark.parametrize(("context", "name"), list(single_extras()))
def test_every_multiplier_stands_where_the_reference_has_it(context: str, name: str) -> None:
    dims, topology = CONTEXTS[context]
    slots = tuple(slot for slot in possible_slots(dims, topology) if not slot.is_extra or slot.name == name)
    tensors = random_values(slots, dtype=torch.float64)
    ours = model_logits(Network(dims, topology, slots), tensors)
    assert difference(ours, reference_logits(dims, topology, tensors)) < ROUNDING
    dropped = {other: tensor for other, tensor in tensors.items() if other != name}
    assert difference(ours, reference_logits(dims, topology, dropped)) > TOLD_APART


def test_every_kind_of_multiplier_is_tried() -> None:
    def kind(slot: Slot) -> tuple[str, str | None]:
        return slot.role, slot.of

    tried = {kind(s) for c, name in single_extras() for s in extras(*CONTEXTS[c]) if s.name == name}
    possible = {kind(s) for dims, topology in CONTEXTS.values() for s in extras(dims, topology)}
    assert tried == possible
    assert ("matrix_scale", "ffn_gate") in tried


def test_a_number_a_channel_is_one_a_channel() -> None:
    for channels in (True, False):
        topology = Topology(channel_scales=channels, shared_scales=False)
        shapes = {slot.shape for slot in extras(sizes(), topology) if slot.role in ("skip_scale", "branch_scale")}
        assert shapes == {(32,) if channels else ()}
        others = {slot.shape for slot in extras(sizes(), topology)} - shapes
        assert others <= {()}


# Everything at once -------------------------------------------------------------------------------------------------


def random_network(seed: int) -> tuple[Network, str]:
    """Return any network that exists: switches, sizes and multipliers drawn independently."""
    draw = random.Random(seed)
    either = (True, False)
    topology = Topology(
        norm_at=draw.choice(get_args(NormPlacement)),
        norm=draw.choice(("layernorm", "rmsnorm")),
        norm_gain=draw.choice(("plain", "one-plus")),
        embed_norm=draw.choice(either),
        sub_norm=draw.choice(either),
        qk_norm=draw.choice(either),
        positions=draw.choice(get_args(Positions)),
        parallel=draw.choice(either),
        softcap=draw.choice((None, 5.0)),
        channel_scales=draw.choice(either),
        shared_scales=draw.choice(either),
    )
    dims = sizes(bias=draw.choice(either), tied=draw.choice(either), gated=draw.choice(either))
    slots = possible_slots(dims, topology)
    return Network(dims, topology, tuple(s for s in slots if not s.is_extra or draw.random() < 0.5)), draw.choice(
        ("gelu", "relu", "swiglu", "tanh")
    )


@pytest.mark.parametrize("seed", range(30))
def test_any_combination_is_the_reference(seed: int) -> None:
    network, activation = random_network(seed)
    tensors = random_values(network.slots, seed=seed, dtype=torch.float64)
    ours = model_logits(network, tensors, activation)
    theirs = reference_logits(network.dims, network.topology, tensors, activation)
    # Without norms the stream may reach the hundreds, so what is compared is relative to it.
    size = max(1.0, float(np.abs(theirs).max()))
    assert difference(ours, theirs) < ROUNDING * size
    other = random_values(network.slots, seed=seed + 1, dtype=torch.float64)
    assert difference(ours, reference_logits(network.dims, network.topology, other, activation)) > TOLD_APART


@pytest.mark.parametrize("seed", range(30))
def test_taps_see_the_streams_sites_and_what_the_branches_add(seed: int) -> None:
    network, activation = random_network(seed)
    tensors = random_values(network.slots, seed=seed, dtype=torch.float64)
    tokens = random_tokens(network.dims, 1)
    seen: dict[str, list[Array]] = {}

    def tap(place: str, x: torch.Tensor) -> torch.Tensor:
        seen.setdefault(place, []).append(x[0].numpy())
        return x

    with torch.no_grad():
        holding(network, tensors, activation)(tokens, tap=tap)
    trace = Reference(network.dims, network.topology, numpied(tensors), activation).run(tokens[0].numpy())
    expected = {"residual": trace.sites, "attn_branch": trace.attention, "mlp_branch": trace.mlp}
    assert len(trace.sites) == 2 * network.dims.n_layer + 1
    for place, values in expected.items():
        size = max(1.0, max(float(np.abs(x).max()) for x in values))
        assert len(seen[place]) == len(values)
        assert all(difference(x, y) < ROUNDING * size for x, y in zip(seen[place], values, strict=True)), place
    assert difference(seen["residual"][0], seen["residual"][-1]) > TOLD_APART
