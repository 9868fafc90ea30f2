"""What is timed is what is decided: steps as the engine takes them, by every precision that a run may get."""

from typing import Any, get_args

import pytest
import torch

from initlab.engine import benchmark as module
from initlab.engine.benchmark import is_worth_timing, measure, measure_matmul, measure_step, measure_steps, seconds
from initlab.engine.lane_model import LaneModel
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.machine.profile import CPU_LANES, FLOAT32_TOLERANCE, GPU_LANES, StepTimes

CPU = torch.device("cpu")


class Clock:
    """Stands in for ``time``: every piece of work takes as long as the test says."""

    def __init__(self, *durations: float) -> None:
        self.now, self.durations = 0.0, list(durations)

    def perf_counter(self) -> float:
        return self.now

    def work(self) -> None:
        self.now += self.durations.pop(0)


@pytest.mark.parametrize(
    ("durations", "least", "left"),
    [
        ([0.001, 0.03, 0.02, 0.03, 0.02, 0.03, 0.01, 9.0], 0.01, 1),  # the first warms up, the eighth is too many
        ([0.5, 0.4, 0.3, 0.1], 0.3, 1),  # slow: three are enough
        ([0.05, 0.06, 0.07, 0.04, 0.01], 0.04, 1),  # until the budget is spent
    ],
)
def test_the_least_of_a_few_times(
    durations: list[float], least: float, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(*durations)
    monkeypatch.setattr(module, "time", clock)
    assert seconds(clock.work, CPU) == pytest.approx(least)
    assert len(clock.durations) == left


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Execution, int]]:
    """Record what would be timed, and let nobody wait for it."""
    calls: list[tuple[Execution, int]] = []

    def measure_step(execution: Execution, context: int) -> float:
        calls.append((execution, context))
        return float(len(calls))

    monkeypatch.setattr(module, "measure_step", measure_step)
    return calls


@pytest.mark.parametrize("precision", get_args(MatmulPrecision))
def test_a_cpu_is_asked_what_is_decided_on_it(precision: MatmulPrecision, timed: list[tuple[Execution, int]]) -> None:
    times = StepTimes.from_json(measure_steps(precision, CPU))
    assert timed == [
        *((Execution("cpu", precision, 1), context) for context in (64, 256, 1024)),
        *((Execution("cpu", precision, 1, fused=True), context) for context in (64, 256, 1024)),
        (Execution("cpu", precision, CPU_LANES), 64),
    ]
    assert (times.plain[64], times.fused[256], times.lanes[64]) == (1.0, 5.0, 7.0)
    assert times.share_of_lanes == 7.0


def test_a_gpu_is_asked_among_lanes(timed: list[tuple[Execution, int]]) -> None:
    measure_steps("bfloat16", torch.device("cuda"))
    assert {(execution.device, execution.lanes) for execution, _ in timed} == {("cuda", GPU_LANES)}
    assert [execution.fused for execution, _ in timed] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("medium", "bfloat16", "worth"),
    [
        ((220.0, 4e-7), (430.0, 3e-3), {"highest", "medium", "bfloat16"}),
        ((691.0, 2.3e-3), (1214.0, 2.3e-3), {"highest", "bfloat16"}),  # AMX: medium is bfloat16
        ((88.0, 2e-7), (0.5, 3e-3), {"highest", "medium"}),  # no bfloat16 in the hardware
    ],
)
def test_what_no_run_would_take_is_not_timed(
    medium: tuple[float, float],
    bfloat16: tuple[float, float],
    worth: set[str],
    timed: list[tuple[Execution, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates = {"highest": (100.0, 2e-7), "medium": medium, "bfloat16": bfloat16}
    matmuls: Any = {name: {"gflops": gflops, "error": error} for name, (gflops, error) in rates.items()}
    assert {name for name in matmuls if is_worth_timing(name, matmuls)} == worth
    monkeypatch.setattr(module, "measure_matmul", lambda name, device: matmuls[name])
    measured = measure(CPU)
    assert set(measured) == {"products", "steps", "compiler"}
    assert set(measured["steps"]) == {execution.matmul_precision for execution, _ in timed} == worth


def test_matmuls_have_the_accuracy_of_their_precision() -> None:
    errors = {name: measure_matmul(name, CPU)["error"] for name in get_args(MatmulPrecision)}
    assert errors["highest"] < FLOAT32_TOLERANCE < errors["bfloat16"]


@pytest.mark.parametrize("execution", [Execution("cpu", "highest", 1, fused=True), Execution("cpu", "bfloat16", 4)])
@pytest.mark.parametrize("context", [64, 1024])
def test_a_step_is_the_engines_own(execution: Execution, context: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the engine's model: with its autocast, its attention and its lanes, on about STEP_TOKENS tokens."""
    seen: list[tuple[Execution, tuple[int, ...]]] = []

    class Model(LaneModel):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.execution = arguments[-1]

        def step(self, parameters: Any, constants: Any, batch: Any) -> Any:
            seen.append((self.execution, tuple(batch.tokens.shape)))

    monkeypatch.setattr(module, "LaneModel", Model)
    assert measure_step(execution, context) >= 0
    assert {one for one, _ in seen} == {execution}
    assert {shape for _, shape in seen} == {(execution.lanes, 12 if context == 64 else 1, context)}


def test_a_step_takes_time() -> None:
    assert measure_step(Execution("cpu", "highest", 1), 64) > 0
