"""What every optimizer promises, whichever is registered."""

from dataclasses import replace

import pytest
import torch

from initlab.optimizers.built_ins import OPTIMIZERS
from initlab.optimizers.rules import SPEC_FIELDS, Optimizer, resolve
from initlab.spec.run import TrainSpec
from tests.optimizers.trajectories import LR, SHARED, distance, gradient, rounding, stacked, start, trajectory, zeros

every = pytest.mark.parametrize("optimizer", [resolve(name) for name, _ in OPTIMIZERS.items()], ids=lambda o: o.name)

ROUNDING = rounding(torch.float64, moved=0.3, operations=12)
LANES = [
    SHARED,
    replace(SHARED, beta1=0.5, eps=1e-6),
    replace(SHARED, beta2=0.5, weight_decay=0.0),
]
RATES = [LR, 2 * LR, LR / 2]


def test_what_comes_from_the_spec_is_in_the_spec() -> None:
    assert set(SPEC_FIELDS) < set(TrainSpec.model_fields)
    assert resolve(TrainSpec().optimizer).name in dict(OPTIMIZERS.items())


@every
def test_it_says_what_it_does_and_where_it_is_from(optimizer: Optimizer) -> None:
    assert optimizer.entry.summary.startswith("θ ← ")
    assert optimizer.entry.source
    assert set(optimizer.entry.spec_fields) <= set(SPEC_FIELDS)


@every
def test_stacked_lanes_are_lanes_alone(optimizer: Optimizer) -> None:
    together = stacked(optimizer, LANES, RATES)
    for lane, (shared, rate) in enumerate(zip(LANES, RATES, strict=True)):
        alone = trajectory(optimizer, shared=shared, lr=rate, seed=lane)
        assert distance([points[lane] for points in together], alone) < ROUNDING
    # Negative twin: a lane is not what it would be with its neighbour's rate.
    other = trajectory(optimizer, shared=LANES[0], lr=RATES[1], seed=0)
    assert distance([points[0] for points in together], other) > 1e6 * ROUNDING


@every
def test_it_moves_the_tensor_it_is_given_and_keeps_what_it_says(optimizer: Optimizer) -> None:
    parameter = start(torch.float64)
    memory, state = parameter.data_ptr(), zeros(optimizer, parameter)
    optimizer.update(parameter, gradient(1, torch.float64), state, optimizer.settings(SHARED), LR, 1)
    assert parameter.data_ptr() == memory
    assert not torch.equal(parameter, start(torch.float64))
    assert {name: x.shape for name, x in state.items()} == dict.fromkeys(optimizer.entry.buffers, parameter.shape)


@every
def test_a_rate_of_zero_moves_nothing(optimizer: Optimizer) -> None:
    assert distance(trajectory(optimizer, lr=0.0), [start(torch.float64)] * 6) == 0


@every
def test_what_moves_like_adam_moves_alike_however_large_the_gradient(optimizer: Optimizer) -> None:
    # Decay included: added to the gradient, as an L2 penalty is, it would count less beside a larger one.
    tiny_eps = replace(SHARED, eps=1e-30)
    plain, scaled = (trajectory(optimizer, shared=tiny_eps, scale=scale) for scale in (1.0, 1024.0))
    assert (distance(plain, scaled) < ROUNDING) == optimizer.entry.adam_like
