"""What a source's network comes to, in the words of the model's fields."""

from dataclasses import fields
from typing import Any

import pytest

from initlab.network.source_network import SourceNetwork
from initlab.network.topology import GPT2_TOPOLOGY, Topology
from initlab.spec.run import ModelSpec

NO_SETTINGS = {"activation", "unlike"}
"""What it says beside the model's fields."""


def test_what_is_not_said_is_as_the_inits_own_topology_and_tie_have_it() -> None:
    own = Topology(norm_at="post", positions="rotary")
    found = SourceNetwork(norm="rmsnorm", bias=False).settings(own, tied=False)
    assert (found["norm_at"], found["positions"], found["tied"]) == ("post", "rotary", False)
    assert (found["norm"], found["bias"]) == ("rmsnorm", False)


def test_what_is_said_wins() -> None:
    found = SourceNetwork(positions="alibi", tied=True).settings(Topology(positions="rotary"), tied=False)
    assert (found["positions"], found["tied"]) == ("alibi", True)


def test_its_settings_are_fields_of_the_model() -> None:
    settings = SourceNetwork().settings(GPT2_TOPOLOGY, tied=True)
    assert set(settings) == {field.name for field in fields(SourceNetwork)} - NO_SETTINGS
    assert set(settings) <= set(ModelSpec.model_fields)


@pytest.mark.parametrize("name", sorted(ModelSpec(n_layer=1).topology))
def test_every_choice_of_a_topology_that_a_spec_has_can_be_declared(name: str) -> None:
    """A field that a spec has and a source could not name would stay what the spec says, unnoticed."""
    settings: dict[str, Any] = SourceNetwork().settings(GPT2_TOPOLOGY, tied=True)
    assert name in settings
