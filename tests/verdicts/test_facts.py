"""Facts about laws and defaults."""

from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.verdicts.facts import Fact, default_fact, law_fact
from initlab.verdicts.statement import DefaultFact, LawFact


def _law(**fact: Any) -> Fact:
    return law_fact(LawFact.model_validate({"init": "depth-scaled", "roles": ["ffn_down"], **fact}))


def test_a_rule_that_knows_the_depth() -> None:
    # two sizes, 12 and 24 layers, one slot a layer
    right = _law(equals=0.02, times="1/sqrt(2*n_layer)")
    assert (right.holds, right.looked_at) == (True, 36)
    assert right.value == pytest.approx(0.02 / 24**0.5)
    wrong = _law(equals=0.02, times="1/sqrt(n_layer)")
    assert not wrong.holds
    assert "0.00408248" in wrong.description
    assert "wrong in 36 of 36 slots" in wrong.description


def test_a_number_that_fits_one_size_is_no_rule() -> None:
    fact = _law(equals=0.02 / 24**0.5)
    assert not fact.holds
    assert "wrong in 24 of 36 slots" in fact.description


def test_fields_that_are_no_numbers() -> None:
    assert _law(field="dist", equals="normal").holds
    assert not _law(field="dist", equals="uniform").holds
    assert _law(roles=["token_embedding"], field="tied", equals=True).holds
    assert not _law(roles=["token_embedding"], field="tied", equals=True, model={"tied": False}).holds
    assert _law(roles=["norm_gain"], field="mean", equals=1.0).holds


def test_a_range() -> None:
    assert _law(roles=["ffn_up"], between=[0.02, 0.03]).holds
    assert not _law(roles=["ffn_up", "ffn_down"], between=[0.02, 0.03]).holds


def test_the_laws_of_other_inits() -> None:
    same = _law(roles=["query", "ffn_up"], same_as=["pytorch", "gpt2"])
    assert same.holds
    assert "gpt2" in same.description
    other = _law(same_as=["note-proj-0.02", "gpt2"])
    assert not other.holds
    assert "in note-proj-0.02 normal std 0.0004" in other.description
    assert "in gpt2 normal std 0.02" in other.description


def test_existence() -> None:
    assert _law(roles=["bias"], exists=True).holds
    assert _law(roles=["bias", "norm_bias"], exists=False, model={"bias": False}).holds
    assert not _law(roles=["bias"], exists=False).holds


def test_defaults() -> None:
    found = default_fact(DefaultFact(field="model.bias", equals=False))
    assert (found.holds, found.value) == (False, True)
    assert default_fact(DefaultFact(field="activation", equals="gelu")).holds


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"init": "nanogtp", "equals": 1.0}, "did you mean 'nanogpt'"),
        ({"roles": ["ffn_dwn"], "equals": 1.0}, "did you mean 'ffn_down'"),
        ({"same_as": ["gtp2"]}, "did you mean 'gpt2'"),
        ({"roles": ["branch_scale"], "equals": 1.0}, "no slot of role branch_scale"),
        ({"equals": 1.0, "model": {"n_head": 7}}, "not divisible"),
    ],
)
def test_what_there_is_not(fact: dict[str, Any], message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        _law(**fact)
    with pytest.raises(InitlabError, match="did you mean 'bias'"):
        default_fact(DefaultFact(field="model.bas", equals=True))
