"""Sizes and the network around the weights: what follows from a placement, and from a base."""

import dataclasses

import pytest

from initlab.network.topology import GPT2_TOPOLOGY, Topology
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
    assert GPT2_TOPOLOGY.to_json() == {**dataclasses.asdict(GPT2_TOPOLOGY), "final_norm": True}


def test_ratios_are_to_the_base() -> None:
    dims = dataclasses.replace(tiny(n_layer=6), n_embd=96, n_head=4, base_n_embd=32, base_n_layer=2)
    assert (dims.head_size, dims.width_ratio, dims.depth_ratio) == (24, 3.0, 3.0)
