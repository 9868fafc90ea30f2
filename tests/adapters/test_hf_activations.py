"""Names of activations: Hugging Face's, ours, and back."""

import pytest
import torch

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.hf_activations import GATED, HF_NAMES, SYNONYMS, UNGATED, hf_setting, our_name
from tests.conftest import optional_module


def test_the_tables_say_which_are_gated() -> None:
    assert {name for name, entry in ACTIVATIONS.items() if entry.gated and name in HF_NAMES} == set(GATED)
    assert {name for name, entry in ACTIVATIONS.items() if not entry.gated and name in HF_NAMES} == set(UNGATED)


@pytest.mark.parametrize("gated", [True, False])
def test_names_there_and_back(gated: bool) -> None:
    for ours, theirs in (GATED if gated else UNGATED).items():
        assert our_name(theirs, gated=gated) == ours
        assert hf_setting("act", ours) == {"act": theirs}
    assert our_name("silu", gated=gated) == ("swiglu" if gated else "silu")
    assert our_name("gelu_fast", gated=gated) == ("geglu-tanh" if gated else "gelu-tanh")
    assert our_name("xielu", gated=gated) is None
    assert hf_setting("act", "selu") == {}


@pytest.mark.hf
def test_synonyms_are_one_function() -> None:
    functions = optional_module("transformers").activations.ACT2FN
    x = torch.linspace(-4, 4, 101)
    for name, first in SYNONYMS.items():
        torch.testing.assert_close(functions[name](x), functions[first](x), atol=1e-6, rtol=0)
    assert (functions["gelu"](x) - functions["gelu_new"](x)).abs().max() > 1e-4
    for name, entry in ACTIVATIONS.items():
        if name in UNGATED:
            torch.testing.assert_close(functions[UNGATED[name]](x), entry.function(x), atol=1e-6, rtol=0)
