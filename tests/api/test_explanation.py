"""Explanations: the laws as a frame, a document and words, all of one blueprint."""

import math

import pytest

from initlab.api.explanation import explain
from initlab.errors import InitlabError


def test_the_frame_has_the_laws_numbers() -> None:
    found = explain("depth-scaled", n_layer=6, n_embd=96, n_head=6)
    frame = found.to_frame().set_index("slot")
    assert frame.loc["blocks.3.attn_out.weight", "std"] == pytest.approx(0.02 / math.sqrt(12))
    assert frame.loc["blocks.3.query.weight", "std"] == pytest.approx(0.02)
    assert len(frame) == len(found.to_json()["slots"])


def test_words_and_document_name_the_init_and_what_it_needs() -> None:
    found = explain("gpt2:std=0.01", n_layer=1)
    assert found.init == "gpt2:std=0.01"
    assert repr(found).startswith("gpt2:std=0.01  ")
    assert found.to_json()["needs"] == ["weights"]
    assert "<table" in found._repr_html_()


def test_a_gated_activation_adds_the_gate() -> None:
    plain, gated = (set(explain("gpt2", name, n_layer=1).to_frame()["role"]) for name in ("gelu", "swiglu"))
    assert gated - plain == {"ffn_gate"}


def source_line(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("the source's network")]
    return line


def test_one_line_says_what_differs_from_the_sources_network() -> None:
    line = source_line(explain("llama2c", n_layer=1).describe())
    for there, here in (
        ('norm = "rmsnorm"', '"layernorm"'),
        ("bias = false", "true"),
        ("ffn_matched = true", "false"),
    ):
        assert f"{there} (here {here})" in line
    assert 'activation = "swiglu" (here "gelu")' in line
    assert "as_source takes it" in line
    assert "not modelled: a hidden width rounded up" in line
    assert "positions" not in line  # rotary here too


def test_as_source_is_the_sources_network() -> None:
    found = explain("llama2c", n_layer=1, as_source=True)
    assert source_line(found.describe()).startswith("the source's network: as here, with activation 'swiglu'")
    assert found.blueprint.topology.norm == "rmsnorm"
    assert not [row for row in found.slots if row["role"] in ("bias", "norm_bias", "position_embedding")]
    document = found.to_json()
    assert document["activation"] == "swiglu"
    assert document["source_network"]["taken"]
    assert document["source_network"]["differs"] == {}


def test_without_a_network_the_line_says_so() -> None:
    found = explain("xavier", n_layer=1)
    assert source_line(found.describe()).startswith("the source's network: none, it is a rule for matrices")
    assert found.to_json()["source_network"] is None
    with pytest.raises(InitlabError, match="init 'xavier' has no network of a source"):
        explain("xavier", as_source=True)


def test_what_says_something_else_is_refused() -> None:
    with pytest.raises(InitlabError, match="leave positions out, or as_source"):
        explain("neox", as_source=True, positions="learned")
