"""Plain Python values become fields of a spec; a mistake is named as the command line names it."""

import pytest

from initlab.api.axes import axes_of, names_in, one_model, seeds_of
from initlab.errors import InitlabError


def test_a_value_alone_is_an_axis_of_one_and_none_leaves_the_default() -> None:
    axes = axes_of({"n_layer": [4, 12], "lr": 1e-3, "bias": False, "model.n_embd": 32, "warmup": None})
    assert axes == {"model.n_layer": [4, 12], "train.lr": [1e-3], "model.bias": [False], "model.n_embd": [32]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_layers": 4}, "no field 'n_layers'; did you mean 'n_layer'"),
        ({"n_layer": []}, "an axis needs at least one value"),
    ],
)
def test_a_field_that_is_none_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        axes_of(fields)  # type: ignore[arg-type]


def test_names_may_be_one_text_or_several() -> None:
    assert names_in("gpt2:std=0.1,depth-scaled") == ["gpt2:std=0.1", "depth-scaled"]
    assert names_in(["gpt2", "a,b"]) == ["gpt2", "a,b"]


def test_seeds_are_counted_or_named() -> None:
    assert seeds_of(3) == [0, 1, 2]
    assert seeds_of([7, 0]) == [7, 0]
    with pytest.raises(InitlabError, match="names no seed"):
        seeds_of(0)


def test_a_model_has_one_value_a_field_and_only_the_models() -> None:
    assert one_model({"n_layer": 3, "n_embd": [64]}).n_layer == 3
    with pytest.raises(InitlabError, match="expected one value"):
        one_model({"n_layer": [3, 4]})
    with pytest.raises(InitlabError, match=r"train\.lr is no field of the model"):
        one_model({"lr": 0.1})
    with pytest.raises(InitlabError, match="not divisible by n_head"):
        one_model({"n_embd": 10, "n_head": 4})
