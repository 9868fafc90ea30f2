"""Theory's functions are the ones the network uses, and their derivatives are derivatives."""

import numpy as np
import pytest
import torch

from initlab.activations import ACTIVATIONS
from initlab.theory.pointwise import POINTWISE

X = np.linspace(-6, 6, 481) + 1e-3  # no kink on the grid


def test_every_activation_is_known() -> None:
    assert {name for name, _ in ACTIVATIONS.items()} <= set(POINTWISE)


@pytest.mark.parametrize("name", [name for name, _ in ACTIVATIONS.items()])
def test_same_function(name: str) -> None:
    expected = ACTIVATIONS.get(name)(torch.from_numpy(X)).numpy()
    assert POINTWISE[name].f(X) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_derivative(name: str) -> None:
    step = 1e-5
    f = POINTWISE[name].f
    assert POINTWISE[name].df(X) == pytest.approx((f(X + step) - f(X - step)) / (2 * step), abs=1e-6)
