"""Flags are made from the spec: none is forgotten, commas make axes."""

import re

import pytest

from initlab.cli.fields import axes_from_flags, parse_base, parse_seeds, parse_values
from initlab.errors import InitlabError
from initlab.planning.names import NAMES
from initlab.spec.fields import BASE_SIZES, FIELDS
from initlab.spec.run import ModelSpec
from tests.cli.run import initlab


def sweep_help() -> dict[str, str]:
    """Return the line of every flag in ``sweep --help``, without the frame around it."""
    lines = [line.strip("│ \n") for line in initlab("sweep", "--help", COLUMNS="300").out.splitlines()]
    return {line.split()[0].removeprefix("--"): line for line in lines if line.startswith("--")}


def test_every_field_has_a_flag_with_its_type_and_its_help() -> None:
    shown = sweep_help()
    types = {"integer": "INT", "number": "FLOAT", "boolean": "on/off", "string": "NAME"}
    for field in FIELDS.values():
        if not field.table:
            continue
        if field.traits.role == "base size":
            assert field.flag not in shown, "one flag sets all the sizes of the base model"
            continue
        assert types[field.kind] in shown[field.flag].split(), field.path
        assert field.help.split("(")[0] in shown[field.flag], field.path
        assert field.kind != "boolean" or f"--no-{field.flag}" in shown[field.flag]
    assert "default: n_embd=256,n_layer=2" in shown["base"]
    own = {field.flag for field in FIELDS.values() if not field.table}
    assert own == {"init", "activation", "seeds"} <= set(shown)


@pytest.mark.parametrize(
    ("flag", "legal", "default"),
    [
        ("optimizer", ["adamw", "sgd"], "adamw"),
        ("schedule", ["cosine", "constant"], "cosine"),
        ("norm-at", ["pre", "post", "sandwich", "branch-out", "none"], "the init's, else pre"),
        ("norm", ["layernorm", "rmsnorm"], "the init's, else layernorm"),
        (
            "positions",
            ["learned", "sinusoidal", "sinusoidal-fairseq", "rotary", "relative", "alibi", "none"],
            "the init's, else learned",
        ),
        ("tokenizer", ["byte", "char"], "byte"),
        ("precision", ["float32", "highest", "bfloat16", "float64"], "float32"),
        ("corpus", ["synthetic", "stdlib", "shakespeare"], "synthetic"),
    ],
)
def test_the_help_of_a_choice_names_what_is_legal_and_the_default(flag: str, legal: list[str], default: str) -> None:
    line = sweep_help()[flag]
    assert re.search(rf"(one of|such as) {', '.join(legal)}[;,]", line)
    assert f"default: {default}" in line


def test_the_help_has_the_default_of_every_field_and_its_unit() -> None:
    shown = sweep_help()
    assert {path for path, field in FIELDS.items() if field.default is None and not field.traits.unset} == set()
    assert "(in tokens; default: 64)" in shown["block-size"]
    assert "(default: on)" in shown["bias"]
    assert "(default: 1e-08)" in shown["eps"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--optimizer", "adam"], "train.optimizer: unknown optimizer 'adam'; did you mean 'adamw'"),
        (["--schedule", "cosin"], "train.schedule: unknown choice 'cosin'; did you mean 'cosine'"),
        (["--norm-at", "per"], "model.norm_at: unknown choice 'per'; did you mean 'pre'"),
        (["--norm", "rms"], "model.norm: unknown choice 'rms'; did you mean 'rmsnorm'"),
        (["--precision", "bf16"], "train.precision: unknown choice 'bf16'; did you mean 'bfloat16'"),
        (["--tokenizer", "bytes", "--corpus", "stdlib"], "unknown tokenizer 'bytes'; did you mean 'byte'"),
        (["--corpus", "syntetic"], "did you mean 'synthetic'"),
        (["--n-layer", "two"], "model.n_layer: expected a whole number, got 'two'"),
        (["--set", "n_layr=2"], "no field 'n_layr'; did you mean 'n_layer'"),
    ],
)
def test_a_wrong_value_is_named_with_the_nearest_legal_one(arguments: list[str], message: str) -> None:
    done = initlab("sweep", *arguments, "--dry-run")
    assert done.code == 2
    assert message in done.err


def test_every_kind_of_name_that_a_field_has_is_known() -> None:
    kinds = {field.traits.names for field in FIELDS.values() if field.traits.names}
    assert kinds == set(NAMES)
    for kind, names in NAMES.items():
        for name in names.known():
            assert isinstance(names.check(name), str), kind


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
        ("128", "--base 128: expected n_embd=NUMBER"),
        ("n_embed=128", "--base n_embed=128: no size 'n_embed'; did you mean 'n_embd'"),
        ("n_embd=0", "model.base_n_embd: expected a number greater than 0, got 0"),
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


def test_values_have_the_type_of_their_field() -> None:
    assert parse_values("model.n_layer", "4, 12") == [4, 12]
    assert parse_values("train.lr", "1e-3") == [1e-3]
    assert parse_values("data.corpus", "1984") == ["1984"], "a corpus is a name, whatever it looks like"
    assert parse_values("train.schedule", "cosine,constant") == ["cosine", "constant"]
    assert parse_values("train.optimizer", "lion:a=1,b=2, sgd") == ["lion:a=1,b=2", "sgd"]
    assert parse_values("model.bias", "true,false") == [True, False]
    assert parse_values("init", "gpt2:std=0.1,depth-scaled") == ["gpt2:std=0.1", "depth-scaled"]
    with pytest.raises(InitlabError, match="seeds"):
        parse_seeds("3-")
