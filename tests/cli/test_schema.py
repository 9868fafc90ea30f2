"""``initlab schema`` prints the schemas, with the names that are registered on this machine."""

import pytest

from tests.cli.run import initlab


@pytest.mark.parametrize(("kind", "key"), [("sweep", "sweep"), ("claims", "claim"), ("gates", "gate")])
def test_each_kind_of_file_has_a_schema(kind: str, key: str) -> None:
    document = initlab("schema", "--kind", kind).json
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert key in document["properties"]


def test_the_names_are_those_that_are_registered() -> None:
    names = initlab("schema").json["$defs"]
    assert {"gelu", "relu"} < set(names["activation"]["enum"])
    assert {"gpt2", "nanogpt", "depth-scaled"} < set(names["init"]["examples"])
    assert names["train.optimizer"]["default"] == "adamw"
    listed = [item["name"] for item in initlab("list", "activations", "--json").json["items"]]
    assert set(listed) <= set(names["activation"]["enum"])


def test_a_file_that_there_is_not() -> None:
    done = initlab("schema", "--kind", "sweeps")
    assert done.code == 2
    assert "no file of kind 'sweeps'; did you mean 'sweep'?" in done.err
