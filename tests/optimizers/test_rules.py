"""Registering an optimizer, naming one with parameters, and what is said where either is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from initlab.errors import InitlabError
from initlab.optimizers.rules import OPTIMIZERS, Scalar, SlotSettings, State, adam_like_names, optimizer, resolve
from tests.optimizers.trajectories import SHARED


@dataclass(frozen=True, kw_only=True)
class Ramp:
    weight_decay: Scalar
    power: float = 0.5
    until: int = 10
    kind: str = "plain"


def ramp(parameter: Tensor, gradient: Tensor, state: State, settings: Ramp, lr: Scalar, step: int) -> None:
    """θ ← θ - lr·min(1, t/until)^power·g.

    An example.
    """
    parameter.sub_(lr * min(1.0, step / settings.until) ** settings.power * gradient)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with OPTIMIZERS.isolated():
        optimizer("ramp", settings=Ramp, source="an example", aliases=("slope",))(ramp)
        yield


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("adamw", "adamw"),
        (" ramp : power = 1 ", "ramp:power=1.0"),
        ("slope:until=5,power=0.50", "ramp:until=5"),
        ("ramp:until=5,kind=odd,power=2", "ramp:kind=odd,power=2.0,until=5"),
    ],
)
def test_an_optimizer_has_one_text(text: str, canonical: str) -> None:
    assert resolve(text).name == resolve(canonical).name == canonical


def test_settings_are_the_specs_and_its_own() -> None:
    settings = resolve("ramp:power=2").settings(SHARED)
    assert settings == Ramp(weight_decay=0.1, power=2.0)
    entry = OPTIMIZERS.get("ramp")
    assert (entry.spec_fields, entry.parameters) == (("weight_decay",), {"power": 0.5, "until": 10, "kind": "plain"})
    assert (entry.summary, entry.why) == ("θ ← θ - lr·min(1, t/until)^power·g.", "An example.")


def test_its_parameters_reach_the_rule() -> None:
    moved = torch.ones(3, dtype=torch.float64)
    bound = resolve("ramp:power=2,until=4")
    bound.update(moved, torch.ones(3, dtype=torch.float64), {}, bound.settings(SHARED), 0.5, 2)
    assert moved.tolist() == [1 - 0.5 * (2 / 4) ** 2] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("admw", "unknown optimizer 'admw'; did you mean 'adamw'?"),
        ("", "unknown optimizer ''"),
        ("ramp:powr=1", "optimizer 'ramp:powr=1': ramp has no parameter 'powr'; did you mean 'power'?"),
        ("slope:powr=1", "ramp has no parameter 'powr'; did you mean 'power'?"),
        ("sgd:nesterov=true", "sgd has no parameter 'nesterov'; it has none"),
        ("ramp:until=2.5", "expected a whole number as until, got '2.5'"),
        ("ramp:power=-1", "expected a finite number that is not negative as power, got '-1'"),
        ("adamw:beta1=0.8", "optimizer 'adamw:beta1=0.8': beta1 is a field of the spec, set train.beta1"),
        ("sgd:beta2=0.8", "beta2 is a field of the spec, set train.beta2"),
    ],
)
def test_a_wrong_text_is_an_error_with_the_right_one(text: str, message: str) -> None:
    with pytest.raises(InitlabError) as error:
        resolve(text)
    assert message in str(error.value)


@dataclass
class Thawed:
    beta1: Scalar


@dataclass(frozen=True)
class WithoutDefault:
    beta3: float


@dataclass(frozen=True)
class WithAList:
    betas: tuple[float, ...] = (0.9, 0.99)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Thawed, "optimizer 'bad': expected a frozen dataclass as its settings"),
        (dict, "optimizer 'bad': expected a frozen dataclass as its settings"),
        (
            WithoutDefault,
            "default of beta3, got none; only beta1, beta2, eps, weight_decay come from the spec",
        ),
        (WithAList, "as the default of betas, got a tuple"),
    ],
)
def test_settings_that_a_spec_cannot_set_are_refused(settings: type, message: str) -> None:
    with pytest.raises(InitlabError) as error:
        optimizer("bad", settings=settings, source="a test")(ramp)
    assert message in str(error.value)
    assert "bad" not in dict(OPTIMIZERS.items())


def test_a_name_is_taken_once() -> None:
    with pytest.raises(InitlabError, match="optimizer 'sgd' is registered twice"):
        optimizer("sgd", settings=Ramp, source="a test")(ramp)


def _returning(parameter: Tensor, gradient: Tensor, state: State, settings: Ramp, lr: Scalar, step: int) -> Any:
    return parameter - lr * gradient


def _failing(parameter: Tensor, gradient: Tensor, state: State, settings: Ramp, lr: Scalar, step: int) -> None:
    state["absent"].mul_(2)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (_returning, "optimizer 'bad' returns a Tensor; a rule changes the parameter in place"),
        (_failing, r"the optimizer 'bad' of plug-in tests\S+ fails: KeyError: 'absent'"),
    ],
)
def test_a_rule_that_does_not_work_is_named(rule: Any, message: str) -> None:
    optimizer("bad", settings=Ramp, source="a test")(rule)
    bound, x = resolve("bad"), torch.ones(2)
    with pytest.raises(InitlabError, match=message):
        bound.update(x, x, {}, bound.settings(SHARED), 0.1, 1)


def test_settings_that_refuse_their_values_are_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Strict:
        beta1: Scalar

        def __post_init__(self) -> None:
            raise ValueError("too much momentum")

    optimizer("strict", settings=Strict, source="a test")(ramp)
    with pytest.raises(InitlabError, match=r"the optimizer 'strict' .* too much momentum"):
        resolve("strict").settings(SlotSettings(beta1=0.9, beta2=0.9, eps=1e-8, weight_decay=0.0))


def test_which_follow_adams_rates_is_registered() -> None:
    assert adam_like_names() == ["adamw"]
    optimizer("sign", settings=Ramp, source="a test", adam_like=True)(_failing)
    assert adam_like_names() == ["adamw", "sign"]
