"""Explanations: the laws as a frame, a document and words, all of one blueprint."""

import math

import pytest

from initlab.api.explanation import explain


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
