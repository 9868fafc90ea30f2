"""One branch forward and back: by hand where everything is linear, by Price's theorem where it is not."""

import numpy as np
import pytest

from initlab.theory.branches import Context, affine, branch_backward, branch_forward
from initlab.theory.kernels import Identity, Kernel, kernel
from initlab.theory.norms import normalise
from initlab.theory.positions import Array, position_grid, square
from initlab.theory.theory_model import Branch, Matrix, Mlp, NormMoments
from tests.theory.network import attention, mlp

LENGTH, WIDTH = 5, 64
GRAM = square(0.4 * np.ones((LENGTH, LENGTH)) + 0.6 * np.eye(LENGTH))
NOTHING = np.zeros_like(GRAM)
GRADIENT = square(0.1 + np.diag(np.arange(1.0, LENGTH + 1)))


def context(function: Kernel) -> Context:
    return Context(position_grid(LENGTH), function, WIDTH, 8, repeats=NOTHING)


def test_a_matrix_multiplies_and_its_bias_adds_everywhere() -> None:
    assert affine(GRAM, Matrix(gain=2.0, bias=0.5)) == pytest.approx(2 * GRAM + 0.5)


def test_scales_and_gains_multiply_in_a_linear_branch() -> None:
    branch = Branch(body=Mlp(up=Matrix(gain=2.0), down=Matrix(gain=3.0, bias=0.1)), incoming_scale=0.5, scale=0.7)
    forward = branch_forward(GRAM, NOTHING, branch, context(Identity()))
    assert forward.normed == pytest.approx(0.5 * GRAM)
    assert forward.hidden == pytest.approx(2 * 0.5 * GRAM)
    assert forward.added == pytest.approx(0.7 * (3 * 2 * 0.5 * GRAM + 0.1))
    assert forward.logit_variance == 0
    back = branch_backward(GRADIENT, GRAM, NOTHING, branch, context(Identity()))
    assert back == pytest.approx(0.7 * 3 * 2 * 0.5 * GRADIENT)


@pytest.mark.parametrize("gated", [False, True])
def test_a_gradient_is_multiplied_by_the_slope_of_the_forward_moments(gated: bool) -> None:
    """Price's theorem: d E f(z_s) f(z_t) / d cov(z_s, z_t) = E f' f', so backward is forward's slope in a pair."""
    branch, gelu, step = Branch(body=mlp(gated=gated)), kernel("gelu"), 1e-6
    pairs = np.zeros_like(GRAM)
    pairs[:-2][~np.eye(LENGTH, dtype=bool)] = step  # covariances alone: variances stay

    def added(gram: Array) -> Array:
        return branch_forward(gram, NOTHING, branch, context(gelu)).added

    slope = (added(GRAM + pairs) - added(GRAM - pairs))[pairs > 0] / (2 * step)
    back = branch_backward(np.ones_like(GRAM), GRAM, NOTHING, branch, context(gelu))[pairs > 0]
    assert back == pytest.approx(slope, rel=1e-6)
    other = branch_backward(np.ones_like(GRAM), GRAM, NOTHING, branch, context(kernel("relu")))[pairs > 0]
    assert other != pytest.approx(slope, rel=1e-2), "another activation has another slope"


def test_a_norm_before_the_last_matrix_takes_the_channels_mean_away() -> None:
    """A LayerNorm of hidden channels is an RMSNorm of what their common mean leaves."""
    relu = kernel("relu")
    forwards = {
        kind: branch_forward(GRAM, NOTHING, Branch(body=mlp(), inner=NormMoments(kind=kind)), context(relu))
        for kind in ("layernorm", "rmsnorm")
    }
    before = affine(GRAM, mlp().up)
    assert forwards["rmsnorm"].hidden == pytest.approx(relu.product(before))
    mean = relu.mean(before[-2])[0]
    assert mean > 0
    assert forwards["layernorm"].hidden == pytest.approx(relu.product(before) - mean**2)
    for forward in forwards.values():
        out = mlp().down.gain * normalise(forward.hidden, NormMoments(kind="rmsnorm"), WIDTH)
        assert forward.out == pytest.approx(out)


def test_attention_says_how_its_logits_vary_and_averages_the_past() -> None:
    branch = Branch(body=attention())
    forward = branch_forward(GRAM, NOTHING, branch, context(Identity()))
    assert forward.logit_variance > 0
    assert forward.hidden[-2, 0] == pytest.approx(GRAM[-2, 0]), "the first position sees itself alone"
    assert (np.diff(forward.hidden[-2]) < 0).all(), "an average over more tokens is smaller"
