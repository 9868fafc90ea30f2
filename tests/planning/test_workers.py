"""Workers, lanes and seconds: what fits into memory, and what the arithmetic says."""

import pytest

from initlab.errors import InitlabError
from initlab.machine.environment import available_cores
from initlab.machine.execution import Overrides
from initlab.planning.cost import WORKER_BYTES, lane_bytes, run_seconds
from initlab.planning.execution_plan import plan_execution
from initlab.planning.expand import PlannedRun
from initlab.planning.workers import START_SECONDS, lanes_within, training_seconds, worker_count, worker_limit
from tests.planning.machines import gpu_machine, machine
from tests.tiny import tiny_sweep

LANES = Overrides(lanes=8)


def runs() -> tuple[PlannedRun, ...]:
    return tiny_sweep(None, {"seed": [0, 1, 2]}).runs


def room(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("initlab.planning.workers.free_bytes", lambda device, machine: free)


def test_how_many_workers_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INITLAB_JOBS", raising=False)
    assert worker_limit() == available_cores()
    monkeypatch.setenv("INITLAB_JOBS", "7")
    assert worker_limit() == 7
    assert worker_limit(3) == 3, "what is said wins over the environment"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INITLAB_JOBS", text)
    with pytest.raises(InitlabError, match="expected a whole number from 1"):
        worker_limit()


def test_memory_bounds_workers_and_each_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    execution, planned = plan_execution(runs(), machine(), LANES), runs()
    each = WORKER_BYTES + lane_bytes(planned[0], fused=False)
    for free, workers in ((10 * each, 4), (3 * each, 3), (3 * each - 1, 2), (0, 1)):
        room(monkeypatch, free)
        assert worker_count(execution, planned, 4) == workers


def test_a_gpu_has_a_worker_of_its_own() -> None:
    execution = plan_execution(runs(), gpu_machine(count=3), LANES)
    assert worker_count(execution, runs(), 16) == 3


def test_lanes_share_what_a_worker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    execution, (run, *_) = plan_execution(runs(), machine(), LANES), runs()
    lane = lane_bytes(run, fused=False)
    for free, workers, lanes in ((100 * lane, 1, 8), (6 * lane, 1, 6), (6 * lane, 2, 3), (0, 2, 1)):
        room(monkeypatch, free)
        assert lanes_within(execution, workers)(run) == lanes


def test_lanes_that_are_always_computed_are_never_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    execution, (run, *_) = plan_execution(runs(), machine(), Overrides(lanes=8, compiled="on")), runs()
    room(monkeypatch, 0)
    assert execution.execution_of(run).fills_lanes
    assert lanes_within(execution, 2)(run) == 8


def test_seconds_by_hand() -> None:
    planned = runs()
    one = run_seconds(planned[0])
    assert training_seconds(planned, 1, None) == pytest.approx(START_SECONDS + 3 * one)
    assert training_seconds(planned, 3, None) == pytest.approx(START_SECONDS + one)
    assert training_seconds((*planned, planned[0]), 1, None) == pytest.approx(START_SECONDS + 3 * one)
    assert training_seconds((), 1, None) == 0.0


def test_a_faster_machine_takes_less_and_a_compiled_step_too() -> None:
    planned = runs()
    slow, fast = (
        plan_execution(planned, machine(products={"highest": {"gflops": g, "error": 2e-7}}), LANES) for g in (1, 9)
    )
    assert training_seconds(planned, 1, fast) < training_seconds(planned, 1, slow)
    compiled = plan_execution(planned, machine(), Overrides(compiled="on", lanes=8))
    plain = plan_execution(planned, machine(), Overrides(compiled="off", lanes=8))
    training = [training_seconds(planned, 1, execution) - START_SECONDS for execution in (compiled, plain)]
    assert training[0] == pytest.approx(0.8 * training[1])
