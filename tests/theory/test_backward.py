"""The gradient's recursion over branches, by hand where every branch is linear."""

from dataclasses import replace

import numpy as np
import pytest

from initlab.theory.backward import backward_trace
from initlab.theory.branches import Context
from initlab.theory.forward import ForwardTrace, forward_trace
from initlab.theory.kernels import Identity
from initlab.theory.norms import jacobian
from initlab.theory.positions import Array, position_grid, square
from initlab.theory.theory_model import Branch, Matrix, Mlp, NormMoments, TheoryModel
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import theory_model

LENGTH = 6
NOTHING = np.zeros((LENGTH + 2, LENGTH))
CONTEXT = Context(position_grid(LENGTH), Identity(), width=32, head_width=8, repeats=NOTHING)
LAST = square(0.2 + np.diag(np.arange(1.0, LENGTH + 1)))
GAINS = (2.0 * 3.0, 0.5 * 1.5)
SKIP = 0.8


def linear(**options: object) -> TheoryModel:
    """Two branches that multiply second moments by GAINS."""
    bodies = [Mlp(up=Matrix(gain=2.0), down=Matrix(gain=3.0)), Mlp(up=Matrix(gain=0.5), down=Matrix(gain=1.5))]
    model = theory_model(layers=1, width=32, length=LENGTH, final_norm=None)
    branches = tuple(Branch(body=body, skip=SKIP) for body in bodies)
    return replace(model, branches=branches, **options)  # type: ignore[arg-type]


def traced(model: TheoryModel) -> ForwardTrace:
    return forward_trace(model, TokenStatistics.uniform(model.vocab), CONTEXT)


def gradients(model: TheoryModel, trace: ForwardTrace) -> tuple[Array, ...]:
    return backward_trace(model, trace, LAST, NOTHING, CONTEXT).gradients


def test_skip_and_branch_add_their_gradients() -> None:
    model = linear()
    first, middle, last = gradients(model, traced(model))
    assert last == pytest.approx(LAST)
    assert middle == pytest.approx((SKIP + GAINS[1]) * LAST)
    assert first == pytest.approx((SKIP + GAINS[0]) * (SKIP + GAINS[1]) * LAST)


def test_parallel_branches_send_theirs_to_the_site_they_read() -> None:
    model = linear(parallel=True)
    first, middle, _ = gradients(model, traced(model))
    assert middle == pytest.approx(SKIP * LAST), "nothing reads the site between the two"
    assert first == pytest.approx((SKIP * SKIP + GAINS[0] * SKIP + GAINS[1]) * LAST)


def test_a_norm_after_the_sum_is_passed_before_skip_and_branch() -> None:
    model = linear()
    norm = NormMoments(kind="rmsnorm", gain=4.0)
    model = replace(model, branches=(model.branches[0], replace(model.branches[1], after=norm)))
    trace = traced(model)
    _, middle, _ = gradients(model, trace)
    summed = SKIP * trace.stream[1] + trace.branches[1].added
    expected = (SKIP + GAINS[1]) * jacobian(LAST, summed, norm, CONTEXT.width)
    assert middle == pytest.approx(expected)
    assert middle != pytest.approx((SKIP + GAINS[1]) * LAST), "the norm's gain and the stream's scale count"
