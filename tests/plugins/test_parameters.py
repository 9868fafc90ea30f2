"""Names with parameters: ``name:key=value,key=value``."""

import pytest

from initlab.errors import InitlabError
from initlab.plugins.parameters import canonical_text, parse_parameters, split_name, split_names

DEFAULTS = {"beta": 0.9, "count": 3, "nesterov": False, "mode": "fast"}
CHOICES = {"mode": ("fast", "slow")}


def parse(text: str) -> dict[str, object]:
    return parse_parameters("optimizer", text, "lion", DEFAULTS, CHOICES)


def test_each_parameter_has_the_type_of_its_default() -> None:
    assert parse("lion") == {}
    given = parse("lion: beta=1, count=4,nesterov=TRUE,mode=slow")
    assert given == {"beta": 1.0, "count": 4, "nesterov": True, "mode": "slow"}
    assert [type(value) for value in given.values()] == [float, int, bool, str]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lion:beta", "optimizer 'lion:beta': expected key=value after the colon, got 'beta'"),
        ("lion:betta=1", "lion has no parameter 'betta'; did you mean 'beta'"),
        ("lion:beta=1,beta=2", "beta is given twice"),
        ("lion:beta=x", "expected a number as beta, got 'x'"),
        ("lion:beta=-1", "expected a finite number that is not negative as beta, got '-1'"),
        ("lion:count=1.5", "expected a whole number as count, got '1.5'"),
        ("lion:nesterov=1", "expected true or false as nesterov, got '1'"),
        ("lion:mode=slo", "no mode 'slo'; did you mean 'slow'"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        parse(text)


def test_a_thing_without_parameters_says_so() -> None:
    with pytest.raises(InitlabError, match="plain has no parameter 'x'; it has none"):
        parse_parameters("init", "plain:x=1", "plain", {})


def test_one_thing_is_written_in_one_way() -> None:
    assert canonical_text("lion", {}, DEFAULTS) == "lion"
    assert canonical_text("lion", parse("lion:nesterov=true,beta=0.90,count=4"), DEFAULTS) == (
        "lion:count=4,nesterov=True"
    )


def test_what_is_written_reads_back_equal() -> None:
    given = parse("lion:nesterov=true,beta=0.1,mode=slow")
    assert parse(canonical_text("lion", given, DEFAULTS)) == given


def test_names_are_split_and_their_parameters_keep_their_commas() -> None:
    assert split_name(" gpt2 :std=0.1") == ("gpt2", "std=0.1")
    assert split_names("gpt2:std=0.1,depth-scaled") == ["gpt2:std=0.1", "depth-scaled"]
    assert split_names("note-proj-0.02:std=0.1,factor=2,gpt2") == ["note-proj-0.02:std=0.1,factor=2", "gpt2"]
