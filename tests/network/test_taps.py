"""The table of taps against the model that is tapped: names, how many, where, and what shape."""

from dataclasses import replace

import pytest
from torch import Tensor

from initlab.errors import InitlabError
from initlab.network.slot_table import plain_network
from initlab.network.taps import LOGITS, RESIDUAL, TAPS, Tap, layout_sites, sites, tap_named
from initlab.network.topology import Dims, Topology
from tests.networks import holding, random_tokens, random_values, tiny

BATCH = 3
Seen = list[tuple[str, int, tuple[int, ...]]]
"""Tap, site, shape: everything that one forward pass shows."""


def shown(dims: Dims, topology: Topology) -> Seen:
    """Record a forward pass. What is shown between two sites of the stream leads to the second; logits to none."""
    network = plain_network(dims, topology)
    model = holding(network, random_values(network.slots))
    seen: Seen = []
    passed = 0

    def record(tap: str, x: Tensor) -> Tensor:
        nonlocal passed
        seen.append((tap, passed - (tap == LOGITS), tuple(x.shape)))
        passed += tap == RESIDUAL
        return x

    model(random_tokens(dims, BATCH), tap=record)
    return seen


def declared(dims: Dims, taps: dict[str, Tap]) -> Seen:
    lengths = {"B": BATCH, "T": dims.block_size, "C": dims.n_embd, "H": dims.n_head, "V": dims.vocab_size}
    lengths["F"] = dims.ffn_hidden
    return [
        (name, site, tuple(lengths[axis] for axis in tap.axes))
        for name, tap in taps.items()
        if dims.gated or name != "ffn_gate"
        for site in layout_sites(tap.layout, dims.n_layer)
    ]


TOPOLOGIES = [
    Topology(),
    Topology(norm_at="sandwich", norm="rmsnorm", sub_norm=True, qk_norm=True, positions="rotary", softcap=5.0),
    Topology(parallel=True, positions="relative"),
]


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=["plain", "sandwich", "parallel"])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("n_layer", [1, 3])
def test_the_table_is_what_the_model_shows(n_layer: int, gated: bool, topology: Topology) -> None:
    dims = tiny(n_layer=n_layer, gated=gated)
    assert sorted(shown(dims, topology)) == sorted(declared(dims, TAPS))


def test_a_wrong_row_of_the_table_would_be_noticed() -> None:
    dims = tiny()
    seen = sorted(shown(dims, Topology()))
    for name, change in {
        "attn_branch": {"layout": "block"},
        "mlp_branch": {"layout": "attention"},
        "residual": {"layout": "block"},
        "logits": {"axes": "BTC"},
        "ffn_hidden": {"axes": "BTC"},
    }.items():
        wrong = {**TAPS, name: replace(TAPS[name], **change)}  # type: ignore[arg-type]
        assert sorted(declared(dims, wrong)) != seen, name
    assert sorted(declared(dims, {name: tap for name, tap in TAPS.items() if name != "key"})) != seen


def test_sites_of_known_depths() -> None:
    assert list(sites("residual", 2)) == [0, 1, 2, 3, 4]
    assert list(sites("attn_logits", 3)) == list(sites("query", 3)) == [1, 3, 5]
    assert list(sites("ffn_hidden", 3)) == list(sites("mlp_branch", 3)) == [2, 4, 6]
    assert list(sites("logits", 3)) == [6]
    assert [len(sites(name, 1)) for name in ("residual", "attn_branch", "mlp_branch", "logits")] == [3, 1, 1, 1]


def test_a_tap_that_there_is_not() -> None:
    with pytest.raises(InitlabError, match="no tap 'residul'; did you mean 'residual'"):
        tap_named("residul")
    with pytest.raises(InitlabError, match="no tap 'logit'"):
        sites("logit", 2)
