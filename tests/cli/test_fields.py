"""Flags are made from the spec: none is forgotten, commas make axes."""

import pytest

from initlab.cli.fields import (
    BASE_SIZES,
    axes_from_flags,
    flag_name,
    parse_base,
    parse_seeds,
    parse_values,
    split_inits,
)
from initlab.errors import InitlabError
from initlab.planning.expand import SPECS
from initlab.spec.run import ModelSpec
from tests.cli.run import initlab


def test_every_field_has_a_flag() -> None:
    shown = initlab("sweep", "--help", COLUMNS="200").out
    for table, spec in SPECS.items():
        for name in spec.model_fields:
            flag = "base" if name.startswith("base_") else flag_name(f"{table}.{name}")
            assert f"--{flag} " in shown or f"--{flag}," in shown or f"--{flag}/" in shown, name
    assert "--base-n-embd" not in shown, "one flag sets all the sizes of the base model"


def test_the_base_models_sizes_are_set_together() -> None:
    assert parse_base("n_embd=128, n_layer=4") == {"model.base_n_embd": [128], "model.base_n_layer": [4]}
    fields = {"base": "n_layer=3"}
    assert axes_from_flags(fields, None, None, None, []) == {"model.base_n_layer": [3]}
    assert {f"base_{name}" for name in BASE_SIZES} == {name for name in ModelSpec.model_fields if "base" in name}
    document = initlab("explain", "mup", "--n-embd", "64", "--base", "n_embd=16", "--json").json
    assert document["dims"]["base_n_embd"] == 16
    (query,) = [slot for slot in document["slots"] if slot["slot"] == "blocks.0.key.weight"]
    assert query["lr"] == 0.25  # 16/64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("128", "--base 128: wants n_embd=NUMBER"),
        ("n_embed=128", "--base n_embed=128: no size 'n_embed'; did you mean 'n_embd'"),
        ("n_embd=0", "model.base_n_embd: input should be greater than 0"),
    ],
)
def test_a_base_model_that_cannot_be(text: str, message: str) -> None:
    done = initlab("explain", "mup", "--base", text)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", [0, 1, 2]), ("0-4", [0, 1, 2, 3, 4]), ("0,7", [0, 7]), ("7-7", [7]), ("1-2,9", [1, 2, 9])],
)
def test_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


def test_parameters_of_inits_keep_their_commas() -> None:
    assert split_inits("gpt2:std=0.1,depth-scaled") == ["gpt2:std=0.1", "depth-scaled"]
    assert split_inits("note-proj-0.02:std=0.1,factor=2,gpt2") == ["note-proj-0.02:std=0.1,factor=2", "gpt2"]


def test_values_have_the_type_of_their_field() -> None:
    assert parse_values("model.n_layer", "4, 12") == [4, 12]
    assert parse_values("train.lr", "1e-3") == [1e-3]
    assert parse_values("data.corpus", "1984") == ["1984"], "a corpus is a name, whatever it looks like"
    assert parse_values("train.schedule", "cosine,constant") == ["cosine", "constant"]
    assert parse_values("model.bias", "true,false") == [True, False]
    with pytest.raises(InitlabError, match="seeds"):
        parse_seeds("3-")
