"""Theory's description of a network: what a field that is not given means."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from initlab.theory.branches import Context, branch_forward
from initlab.theory.kernels import Identity
from initlab.theory.positions import position_grid, square
from initlab.theory.theory_model import Branch, Matrix, Mlp, NormMoments
from tests.theory.network import theory_model

BODY = Mlp(up=Matrix(gain=2.0), down=Matrix(gain=3.0))


@pytest.mark.parametrize("layers", [1, 3])
def test_a_layer_is_two_branches(layers: int) -> None:
    model = theory_model(layers=layers)
    assert (model.layers, len(model.branches)) == (layers, 2 * layers)


def test_a_branch_without_options_has_no_norms_and_scales_of_one() -> None:
    gram = square(0.3 + np.eye(4))
    nothing = np.zeros_like(gram)
    context = Context(position_grid(4), Identity(), width=8, head_width=8, repeats=nothing)
    plain = branch_forward(gram, nothing, Branch(body=BODY), context)
    assert plain.added == pytest.approx(2.0 * 3.0 * gram)
    scaled = branch_forward(gram, nothing, Branch(body=BODY, scale=0.25), context)
    assert scaled.added == pytest.approx(0.25 * plain.added)
    normed = branch_forward(gram, nothing, Branch(body=BODY, incoming=NormMoments()), context)
    assert normed.added != pytest.approx(plain.added), "a norm that is there acts"


def test_a_description_is_not_changed_after_it_is_made() -> None:
    with pytest.raises(FrozenInstanceError):
        theory_model().width = 3  # type: ignore[misc]
