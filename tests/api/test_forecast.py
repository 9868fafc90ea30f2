"""Forecasts: one init, several, over sizes and at a target; the same numbers in every form."""

from typing import Any

import pytest

from initlab.api.forecast import predict
from initlab.errors import InitlabError

SIZES: dict[str, Any] = {"n_layer": 3, "n_embd": 64, "n_head": 4, "block_size": 32}


def test_one_init_is_one_document() -> None:
    found = predict("gpt2", **SIZES)
    document = found.to_json()
    assert document["init"] == "gpt2"
    assert len(document["residual_ms"]) == 4
    assert (
        found["growth"]
        == document["growth"]
        == pytest.approx(document["residual_ms"][-1] / document["residual_ms"][0])
    )


def test_the_frame_has_a_row_a_layer_and_branches_from_the_first_block_on() -> None:
    frame = predict(["gpt2", "depth-scaled"], **SIZES).to_frame()
    assert frame.groupby("init")["layer"].apply(list).to_dict() == {
        "depth-scaled": [0, 1, 2, 3],
        "gpt2": [0, 1, 2, 3],
    }
    assert frame["attn_ms"].isna().tolist() == (frame["layer"] == 0).tolist()


def test_several_have_a_list_and_no_single_answer() -> None:
    found = predict(["gpt2", "xavier"], **SIZES)
    assert [one["init"] for one in found.to_json()["predictions"]] == ["gpt2", "xavier"]
    with pytest.raises(InitlabError, match="several predictions"):
        _ = found["growth"]


def test_over_sizes_there_is_a_law_for_every_init() -> None:
    found = predict("gpt2", over="n_layer=2,4,8", **{**SIZES, "n_layer": 2})
    assert found.to_json()["over"]["values"] == [2, 4, 8]
    assert set(found.laws) == {"gpt2"}
    assert found.to_frame()["n_layer"].unique().tolist() == [2, 4, 8]


def test_a_target_says_what_the_width_hides() -> None:
    found = predict("gpt2", target={"n_embd": 768}, **SIZES)
    assert found.to_json()["target"]["init"] == "gpt2"
    assert "768" in found.scale_up_lines[0]


def test_what_theory_has_no_answer_to_is_an_error_with_the_inits_name() -> None:
    with pytest.raises(InitlabError, match="lsuv"):
        predict("lsuv", **SIZES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"init": []}, "at least one name"),
        ({"batch_size": 0}, "batch_size: expected a whole number from 1, got 0"),
        ({"lr": float("nan")}, "lr: expected a finite number"),
        ({"target": {"n_embed": 768}}, "no size 'n_embed'; did you mean 'n_embd'"),
    ],
)
def test_what_no_network_has_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        predict(**{"init": "gpt2", **SIZES, **wrong})


def test_as_source_every_init_has_its_own_network_at_every_size() -> None:
    found = predict(["llama2c", "neox"], as_source=True, over="n_layer=2,3", **{**SIZES, "n_layer": 2})
    said = {(one["init"], one["dims"]["n_layer"]): one for one in found.predictions}
    assert {(init, one["activation"], one["dims"]["bias"]) for (init, _), one in said.items()} == {
        ("llama2c", "swiglu", False),
        ("neox", "gelu-tanh", True),
    }
    by_hand = predict(
        *("llama2c", "swiglu"),
        norm="rmsnorm",
        bias=False,
        positions="rotary",
        ffn_matched=True,
        **{**SIZES, "n_layer": 2},
    )
    assert said["llama2c", 2]["residual_ms"] == by_hand["residual_ms"]
    assert said["llama2c", 2]["residual_ms"] != predict("llama2c", **{**SIZES, "n_layer": 2})["residual_ms"]


def test_as_source_at_a_target_too() -> None:
    found = predict("llama2c", as_source=True, target={"n_embd": 256}, **SIZES)
    assert len(found.scale_ups) == 1
    assert found.scale_ups[0].activation == "swiglu"
