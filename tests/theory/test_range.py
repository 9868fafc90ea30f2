"""What a float cannot hold is refused by name."""

import math

import pytest

from initlab.theory.prediction import predict, summary
from initlab.theory.range import OutOfRange, require_finite
from initlab.theory.theory_model import Matrix
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import attention, mlp, theory_model


def test_finite_numbers_pass() -> None:
    require_finite({"residual_ms": (1.0, 1e300), "grad_ms": (0.0,)})


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_the_first_number_that_is_not_finite_is_named(value: float) -> None:
    with pytest.raises(OutOfRange, match="residual_ms leaves the range of floating-point numbers at site 2 of 4"):
        require_finite({"grad_ms": (1.0,), "residual_ms": (1.0, 1.0, value, value)})
    with pytest.raises(OutOfRange, match="logit_var leaves the range of floating-point numbers;"):
        require_finite({"logit_var": (value,)})


@pytest.mark.parametrize("form", [predict, summary])
def test_a_network_without_norms_that_explodes_has_no_prediction(form: type) -> None:
    """Every branch multiplies the stream's second moment by 1e40: after eight it is beyond a float's 1e308."""
    body = Matrix(gain=1e20)
    loud = theory_model(layers=8, bodies=(attention(), type(mlp())(up=body, down=body)), activation="relu")
    with pytest.raises(OutOfRange, match=r"residual_ms .* of 17"):
        form(loud, TokenStatistics.uniform(50))
    quiet = theory_model(layers=8, activation="relu", scale=0.1)
    assert math.isfinite(form(quiet, TokenStatistics.uniform(50)).residual_ms[-1])
