import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from initlab.engine.schedule import evaluates, learning_rate, probes
from initlab.spec.run import TrainSpec


def get_lr(it: int, *, peak: float, floor: float, warmup_iters: int, lr_decay_iters: int) -> float:
    """nanoGPT's train.py, get_lr, written down anew from its three cases; where it would divide by zero (no step is
    left between warm-up and the end of the decay) the decay is over."""
    if it < warmup_iters:
        return peak * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters or warmup_iters == lr_decay_iters:
        return floor
    ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    assert 0 <= ratio <= 1
    return floor + (1 + math.cos(ratio * math.pi)) / 2 * (peak - floor)


@given(
    step=st.integers(0, 60),
    warmup=st.integers(0, 60),
    steps=st.integers(1, 60),
    decay=st.none() | st.integers(1, 60),
    min_lr=st.none() | st.floats(0, 1e-3),
)
@example(step=0, warmup=0, steps=1, decay=None, min_lr=None)
@example(step=10, warmup=10, steps=10, decay=None, min_lr=None)
@example(step=20, warmup=30, steps=25, decay=None, min_lr=None)
def test_cosine_is_nanogpts(step: int, warmup: int, steps: int, decay: int | None, min_lr: float | None) -> None:
    train = TrainSpec(lr=1e-3, warmup=warmup, steps=steps, decay_steps=decay, min_lr=min_lr)
    floor = 1e-4 if min_lr is None else min_lr
    expected = get_lr(step, peak=1e-3, floor=floor, warmup_iters=warmup, lr_decay_iters=decay or steps)
    assert learning_rate(step, train) == pytest.approx(expected, rel=1e-14, abs=1e-18)


@pytest.mark.parametrize(
    ("fields", "step", "expected"),
    [
        ({}, 0, 8.0),  # no warm-up: the cosine begins at its peak
        ({}, 4, 4.5),  # half-way between 8 and 1
        ({}, 8, 1.0),
        ({}, 9, 1.0),
        ({"warmup": 3}, 0, 2.0),  # 8·1/4: never 0, so the first step does something
        ({"warmup": 3}, 2, 6.0),
        ({"warmup": 3}, 3, 8.0),  # step == warmup is the peak
        ({"decay_steps": 4}, 2, 4.5),
        ({"decay_steps": 4}, 5, 1.0),  # beyond the decay
        ({"decay_steps": 16}, 8, 4.5),  # ends half-way
        ({"schedule": "constant"}, 7, 8.0),
        ({"schedule": "constant", "warmup": 3}, 1, 4.0),
        ({"warmup": 8}, 7, 8 * 8 / 9),  # all of it is warm-up
        ({"warmup": 8}, 8, 1.0),
        ({"warmup": 100}, 7, 8 * 8 / 101),  # never reaches its peak
        ({"warmup": 100, "schedule": "constant"}, 99, 8 * 100 / 101),
    ],
)
def test_boundaries(fields: dict[str, Any], step: int, expected: float) -> None:
    train = TrainSpec(**{"steps": 8, "lr": 8.0, "min_lr": 1.0, **fields})
    assert learning_rate(step, train) == pytest.approx(expected, rel=1e-14)


def test_the_warm_up_off_by_one_would_be_seen() -> None:
    # Negative twin: nanoGPT counts from it + 1 over warmup_iters + 1 since 2025; before, it / warmup_iters.
    assert learning_rate(2, TrainSpec(lr=8.0, warmup=3)) != pytest.approx(8 * 2 / 3, rel=0.01)


@given(step=st.integers(0, 40), warmup=st.integers(0, 40), schedule=st.sampled_from(["cosine", "constant"]))
def test_the_rate_stays_between_zero_and_the_peak(step: int, warmup: int, schedule: Any) -> None:
    rate = learning_rate(step, TrainSpec(steps=20, warmup=warmup, schedule=schedule))
    assert 0 < rate <= 1e-3


def steps_where(function: Any, train: TrainSpec) -> list[int]:
    return [step for step in range(train.steps + 1) if function(step, train)]


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"steps": 10, "eval_interval": 4}, [0, 4, 8, 10]),
        ({"steps": 8, "eval_interval": 4}, [0, 4, 8]),
        ({"steps": 3, "eval_interval": 250}, [0, 3]),
        ({"steps": 0, "eval_interval": 1}, []),
    ],
)
def test_evaluations(fields: dict[str, Any], steps: list[int]) -> None:
    assert steps_where(evaluates, TrainSpec(**fields)) == steps


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"steps": 300}, [0, 1, 2, 5, 10, 20, 50, 100, 200, 300]),
        ({"steps": 7}, [0, 1, 2, 5, 7]),
        ({"steps": 2000}, [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]),
        ({"steps": 0}, [0]),
        ({"steps": 10, "probe_interval": 4}, [0, 4, 8, 10]),
        ({"steps": 3, "probe_interval": 1}, [0, 1, 2, 3]),
        ({"steps": 0, "probe_interval": 5}, [0]),
    ],
)
def test_probes(fields: dict[str, Any], steps: list[int]) -> None:
    assert steps_where(probes, TrainSpec(**fields)) == steps
