"""What is asked for: a file, fields beside it, fields alone, or nothing at all."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.planning.requested import quickstart, requested_spec


def test_nothing_at_all_is_the_quickstart() -> None:
    assert requested_spec().name == "quickstart"
    assert quickstart().is_file()


def test_fields_alone_are_a_sweep_over_three_seeds() -> None:
    spec = requested_spec(axes={"init": ["gpt2"]})
    assert spec.name is None
    assert spec.grids[0].axes == {"init": ["gpt2"], "seed": [0, 1, 2]}
    assert requested_spec(axes={"seed": [7]}).grids[0].axes == {"seed": [7]}


def test_fields_win_over_a_file_whose_seeds_stay(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text('name = "x"\n[sweep]\ninit = ["gpt2"]\nseed = [4, 5]\n')
    spec = requested_spec(tmp_path, {"init": ["pytorch"]})
    assert (spec.name, spec.grids[0].axes) == ("x", {"init": ["pytorch"], "seed": [4, 5]})
    assert spec.overridden
    assert not requested_spec(tmp_path).overridden


def test_axes_given_are_left_as_they_are() -> None:
    axes = {"init": ["gpt2"]}
    requested_spec(axes=axes)
    assert axes == {"init": ["gpt2"]}


def test_a_name_is_given_or_refused() -> None:
    spec = requested_spec(axes={"init": ["gpt2"]}, name="mine")
    assert (spec.name, spec.overridden) == ("mine", True)
    with pytest.raises(InitlabError, match="cannot name a folder"):
        requested_spec(name="../x")
