"""Labels are short, complete and unique."""

from initlab.results.labels import join_label, list_labels, short, unique_labels


def test_a_label_has_names_and_then_fields_by_their_short_names() -> None:
    assert join_label(["gpt2", "gelu"], {"model.n_layer": 4, "lr": 0.1}) == "gpt2 · gelu · n_layer=4 · lr=0.1"
    assert join_label([], {"model.n_layer": 4}) == "n_layer=4"
    assert join_label(["gpt2"], {}) == "gpt2"
    assert (short("model.n_layer"), short("seed")) == ("n_layer", "seed")


def test_labels_that_stand_twice_get_their_number_and_others_do_not() -> None:
    assert unique_labels(["a", "b", "a"]) == ["a (cell 0)", "b", "a (cell 2)"]


def test_a_message_names_three() -> None:
    assert list_labels(["a", "b", "c"]) == "a; b; c"
    assert list_labels(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
