"""Flags are made from the spec: none is forgotten, commas make axes."""

import pytest

from initlab.cli.fields import flag_name, parse_seeds, parse_values, split_inits
from initlab.errors import InitlabError
from initlab.plan.expand import SPECS
from tests.cli.run import initlab


def test_every_field_has_a_flag() -> None:
    shown = initlab("sweep", "--help", COLUMNS="200").out
    for table, spec in SPECS.items():
        for name in spec.model_fields:
            assert f"--{flag_name(f'{table}.{name}')}" in shown


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
