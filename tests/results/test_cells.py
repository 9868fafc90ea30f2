"""Cells as documents, and the labels that tell them apart."""

from typing import Any

import pytest

from initlab.results.cells import cells_of


def document(init: str = "gpt2", activation: str = "gelu", axes: dict[str, Any] | None = None, **train: Any) -> Any:
    tables = {"model": {"n_layer": 2}, "data": {"corpus": "synthetic"}, "train": {"steps": 10, **train}}
    return {"init": init, "activation": activation, "axes": axes or {}, "fields": tables, "network": ""}


def test_a_cell_is_what_its_document_says() -> None:
    (cell,) = cells_of([document(axes={"train.lr": 0.1}, lr=0.1)])
    assert (cell.index, cell.init, cell.activation, cell.n_layer, cell.steps, cell.trained) == (
        *(0, "gpt2", "gelu", 2, 10),
        True,
    )
    assert cell.fields["train.lr"] == 0.1
    assert cell.fields["init"] == "gpt2"
    assert cell.label == "gpt2 · gelu · lr=0.1"
    assert cell.to_json() == document(axes={"train.lr": 0.1}, lr=0.1)


def test_cells_of_equal_axes_are_told_apart_by_the_fields_in_which_they_differ() -> None:
    cells = cells_of([document(steps=20), document(steps=0)])
    assert [cell.label for cell in cells] == ["gpt2 · gelu · steps=20", "gpt2 · gelu · steps=0"]
    assert [cell.trained for cell in cells] == [True, False]


@pytest.mark.parametrize(("left", "right"), [("1", 1), (True, "True"), (None, "None")])
def test_labels_differ_where_values_read_alike(left: Any, right: Any) -> None:
    labels = [cell.label for cell in cells_of([document(x=left), document(x=right)])]
    assert labels == [f"gpt2 · gelu · x={left} (cell 0)", f"gpt2 · gelu · x={left} (cell 1)"]


def test_an_axis_that_is_no_field_of_a_table_is_a_field_all_the_same() -> None:
    (cell,) = cells_of([document(axes={"width": 3, "n_layer": 2})])
    assert cell.fields["width"] == 3
    assert "n_layer" not in cell.fields, "it is model.n_layer"
