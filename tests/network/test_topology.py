"""Sizes and the network around the weights: what follows from a placement, and from a base."""

import dataclasses
from typing import Any

import pytest

from initlab.network.topology import ADDED_LATER, GPT2_TOPOLOGY, Topology
from tests.networks import tiny


@pytest.mark.parametrize(
    ("norm_at", "before", "branch", "after", "final"),
    [
        ("pre", True, False, False, True),
        ("post", False, False, True, False),
        ("sandwich", True, True, False, True),
        ("branch-out", False, True, False, True),
        ("none", False, False, False, False),
    ],
)
def test_where_norms_stand(norm_at: str, before: bool, branch: bool, after: bool, final: bool) -> None:
    topology = Topology(norm_at=norm_at)  # type: ignore[arg-type]
    assert (topology.norm_before, topology.norm_branch, topology.norm_after, topology.final_norm) == (
        before,
        branch,
        after,
        final,
    )


def test_gpt2s_is_the_default_and_says_whether_it_ends_in_a_norm() -> None:
    assert Topology() == GPT2_TOPOLOGY
    first = {name: value for name, value in dataclasses.asdict(GPT2_TOPOLOGY).items() if name not in ADDED_LATER}
    assert GPT2_TOPOLOGY.to_json() == {**first, "final_norm": True}


@pytest.mark.parametrize("later", [{"gainless": True}, {"parallel_norms": True}, {"rotary_fraction": 0.25}])
def test_what_came_later_is_said_where_it_is_not_as_it_was(later: dict[str, Any]) -> None:
    """Digests of networks that had no such field stay what they were."""
    assert Topology(**later).to_json() == {**GPT2_TOPOLOGY.to_json(), **later}


def test_only_the_mlp_of_a_parallel_block_may_share_a_norm() -> None:
    assert Topology(parallel=True).reads_alone("blocks.0.attn")
    assert not Topology(parallel=True).reads_alone("blocks.0.ffn")
    assert Topology(parallel=True, parallel_norms=True).reads_alone("blocks.0.ffn")
    assert Topology().reads_alone("blocks.0.ffn")


def test_ratios_are_to_the_base() -> None:
    dims = dataclasses.replace(tiny(n_layer=6), n_embd=96, n_head=4, base_n_embd=32, base_n_layer=2)
    assert (dims.head_size, dims.width_ratio, dims.depth_ratio) == (24, 3.0, 3.0)
