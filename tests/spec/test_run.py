import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from initlab.files.json import canonical_json, content_hash
from initlab.network.topology import Dims
from initlab.spec.run import DataSpec, ModelSpec, RunSpec, TrainSpec

OTHER: dict[type[BaseModel], dict[str, Any]] = {
    ModelSpec: {
        "n_layer": 5,
        "n_head": 8,
        "n_embd": 64,
        "block_size": 65,
        "vocab_size": 100,
        "ffn_ratio": 2.0,
        "bias": False,
        "tied": False,
        "dropout": 0.1,
        "ffn_matched": True,
        "norm_at": "post",
        "norm": "rmsnorm",
        "embed_norm": True,
        "sub_norm": True,
        "qk_norm": True,
        "positions": "rotary",
        "parallel": True,
        "softcap": 30.0,
        "gainless": True,
        "parallel_norms": True,
        "rotary_fraction": 0.25,
        "as_source": True,
        "base_n_embd": 128,
        "base_n_layer": 4,
    },
    DataSpec: {"corpus": "stdlib", "tokenizer": "char", "seed": 0},
    TrainSpec: {
        "steps": 301,
        "batch_size": 13,
        "lr": 2e-3,
        "min_lr": 1e-4,
        "optimizer": "sgd",
        "schedule": "constant",
        "warmup": 1,
        "decay_steps": 300,
        "beta1": 0.8,
        "beta2": 0.95,
        "eps": 1e-6,
        "weight_decay": 0.0,
        "clip": 0.0,
        "eval_interval": 100,
        "eval_batches": 21,
        "probe_interval": 10,
        "precision": "float64",
    },
}
"""Another legal value of every field than its default."""

TABLES: dict[str, type[BaseModel]] = {"model": ModelSpec, "data": DataSpec, "train": TrainSpec}


def digest(spec: RunSpec) -> str:
    return content_hash(spec.model_dump())


@pytest.mark.parametrize("table", TABLES.values())
def test_every_field_is_tried_below(table: type[BaseModel]) -> None:
    assert set(OTHER[table]) == set(table.model_fields)


def test_any_changed_field_changes_the_hash() -> None:
    changed = [
        RunSpec.model_validate({name: table(**{field: value})})
        for name, table in TABLES.items()
        for field, value in OTHER[table].items()
    ]
    changed += [RunSpec(init="gpt2"), RunSpec(activation="relu"), RunSpec(seed=1)]
    digests = {digest(spec) for spec in [RunSpec(), *changed]}
    assert len(digests) == len(changed) + 1


def test_hash_does_not_depend_on_the_order_of_keys_or_how_a_number_is_written() -> None:
    one = RunSpec(train=TrainSpec(lr=1e-3, steps=7), seed=3)
    other = RunSpec.model_validate({"seed": 3, "train": {"steps": 7, "lr": 0.001}})
    whole = RunSpec(train=TrainSpec(lr=2)), RunSpec(train=TrainSpec(lr=2.0))
    assert one == other
    assert digest(one) == digest(other)
    assert digest(whole[0]) == digest(whole[1])


def test_a_spec_survives_json() -> None:
    spec = RunSpec(
        model=ModelSpec(**OTHER[ModelSpec]), data=DataSpec(**OTHER[DataSpec]), train=TrainSpec(**OTHER[TrainSpec])
    )
    again = RunSpec.model_validate(json.loads(canonical_json(spec.model_dump())))
    assert again == spec
    assert digest(again) == digest(spec)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aä×\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=4),
    max_leaves=8,
)


def reversed_keys(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: reversed_keys(value) for key, value in reversed(content.items())}
    return [reversed_keys(item) for item in content] if isinstance(content, list) else content


@given(JSON)
def test_canonical_json_says_the_content_and_nothing_else(content: Any) -> None:
    text = canonical_json(content)
    assert json.loads(text) == content
    assert canonical_json(reversed_keys(content)) == text
    assert content_hash(content) == content_hash(reversed_keys(content))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_written_by_repr_and_neighbours_differ(number: float) -> None:
    assert canonical_json(number) == repr(number)
    near = math.nextafter(number, math.inf)
    if math.isfinite(near):
        assert content_hash(near) != content_hash(number)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_has_no_hash(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_hash({"a": [number]})


def test_hash_is_the_sha256_of_the_text() -> None:
    # printf '{"a":1}' | sha256sum
    assert content_hash({"a": 1}) == "015abd7f5cc5"
    assert content_hash({"a": 1}, 8) == "015abd7f"


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        (ModelSpec, {"n_layer": 0}, "n_layer\n.*greater than 0"),
        (ModelSpec, {"n_layer": 2.0}, "n_layer\n.*valid integer"),
        (ModelSpec, {"n_layer": True}, "n_layer\n.*valid integer"),
        (ModelSpec, {"n_layer": "4"}, "n_layer\n.*valid integer"),
        (ModelSpec, {"bias": 1}, "bias\n.*valid boolean"),
        (ModelSpec, {"dropout": 1.0}, "dropout\n.*less than 1"),
        (ModelSpec, {"dropout": -0.1}, "dropout\n.*greater than or equal to 0"),
        (ModelSpec, {"ffn_ratio": math.inf}, "ffn_ratio\n.*finite"),
        (ModelSpec, {"n_layers": 4}, "n_layers\n.*Extra inputs"),
        (DataSpec, {"seed": -1}, "seed\n.*greater than or equal to 0"),
        (DataSpec, {"seed": 2**63}, "seed\n.*less than"),
        (TrainSpec, {"lr": math.nan}, "lr\n"),
        (TrainSpec, {"lr": math.inf}, "lr\n.*finite"),
        (TrainSpec, {"lr": 0.0}, "lr\n.*greater than 0"),
        (TrainSpec, {"lr": "1e-3"}, "lr\n.*valid number"),
        (TrainSpec, {"min_lr": math.nan}, "min_lr\n"),
        (TrainSpec, {"weight_decay": -0.1}, "weight_decay\n.*greater than or equal to 0"),
        (TrainSpec, {"beta2": 1.0}, "beta2\n.*less than 1"),
        (TrainSpec, {"schedule": "linear"}, "schedule\n.*'cosine' or 'constant'"),
        (TrainSpec, {"precision": "float16"}, "precision\n.*'float32', 'highest', 'bfloat16' or 'float64'"),
        (TrainSpec, {"steps": -1}, "steps\n.*greater than or equal to 0"),
        (TrainSpec, {"probe_interval": 0}, "probe_interval\n.*greater than 0"),
        (RunSpec, {"seed": -1}, "seed\n.*greater than or equal to 0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(table: type[BaseModel], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        table(**fields)


@pytest.mark.parametrize(("heads", "near"), [(5, 4), (100, 128), (129, 128), (3, 2)])
def test_indivisible_heads_name_a_number_that_divides(heads: int, near: int) -> None:
    message = f"n_embd = 128 is not divisible by n_head = {heads}; n_head = {near} would be"
    with pytest.raises(ValidationError, match=message):
        ModelSpec(n_head=heads)
    assert ModelSpec(n_head=near).n_head == near


def test_hidden_units_are_whole() -> None:
    with pytest.raises(ValidationError, match=r"ffn_ratio · n_embd = 12\.8 is not a whole number of hidden units"):
        ModelSpec(ffn_ratio=0.1)
    assert ModelSpec(n_embd=48, ffn_ratio=8 / 3).dims(64).ffn_hidden == 128


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ModelSpec().n_layer = 5  # type: ignore[misc]


def test_equal_specs_are_one_key() -> None:
    assert len({RunSpec(), RunSpec(seed=0), RunSpec(seed=1)}) == 2


def test_dims_take_the_corpus_vocabulary_where_the_spec_leaves_it_open() -> None:
    expected = Dims(n_layer=4, n_head=4, n_embd=128, vocab_size=64, block_size=64, ffn_hidden=512)
    assert ModelSpec().dims(64) == expected
    assert ModelSpec(vocab_size=100).dims(64).vocab_size == 100
    other = ModelSpec(**OTHER[ModelSpec]).dims(64)
    assert (other.n_layer, other.n_head, other.block_size, other.ffn_hidden) == (5, 8, 65, 128)
    assert (other.bias, other.tied) == (False, False)


def test_final_learning_rate() -> None:
    assert TrainSpec(lr=3e-3).final_lr == 3e-3 / 10
    assert TrainSpec(lr=3e-3, min_lr=0.0).final_lr == 0.0


def test_batches_follow_the_runs_seed_unless_they_have_their_own() -> None:
    assert RunSpec(seed=5).data_seed == 5
    assert RunSpec(seed=5, data=DataSpec(seed=0)).data_seed == 0
