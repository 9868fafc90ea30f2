import pytest

from initlab.errors import did_you_mean


@pytest.mark.parametrize(
    ("name", "nearest"), [("n_leyer", "n_layer"), ("nlayer", "n_layer"), ("heads", "n_head"), ("n_embed", "n_embd")]
)
def test_the_nearest_option_is_named(name: str, nearest: str) -> None:
    assert did_you_mean(name, ["n_layer", "n_head", "n_embd"]) == f"; did you mean {nearest!r}?"


def test_without_a_near_option_the_legal_ones_are_listed_in_order() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == "; legal are: a, b"


def test_a_long_list_is_cut_after_twelve() -> None:
    names = [f"option{number:02}" for number in range(13)]
    assert did_you_mean("zzz", names) == "; legal are: " + ", ".join(names[:12]) + ", ..."
    assert did_you_mean("zzz", names[:12]).endswith("option11")


def test_without_options_there_is_nothing_to_say() -> None:
    assert did_you_mean("zzz", []) == ""


def test_options_may_be_an_iterator() -> None:
    assert did_you_mean("zzz", iter(["b", "a"])) == "; legal are: a, b"
