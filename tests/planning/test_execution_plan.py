"""How shapes are computed: what was measured decides, what the user overrides wins, what was planned stays."""

import json
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.machine.execution import Execution, Overrides
from initlab.machine.profile import MachineProfile
from initlab.planning.execution_plan import ExecutionPlan, compiling_pays, plan_execution
from initlab.planning.expand import PlannedRun, expand
from initlab.spec.sweep import Grid, SweepSpec
from tests.planning.machines import CPU, described, gpu_machine, machine


def runs(**axes: Any) -> list[PlannedRun]:
    fixed = {"model.n_layer": 2, "train.steps": 100}
    named = {key.replace("__", "."): values for key, values in axes.items()}
    return expand(SweepSpec(fixed=fixed, grids=(Grid(named or {"seed": [0]}),)))


AUTO = Overrides()


def chosen(on: MachineProfile, overrides: Overrides = AUTO, **axes: Any) -> Execution:
    (run, *_) = planned = runs(**axes)
    return plan_execution(planned, on, overrides).execution_of(run)


@pytest.mark.parametrize(
    ("precision", "matmul"),
    [("float32", "medium"), ("highest", "highest"), ("bfloat16", "bfloat16"), ("float64", "highest")],
)
def test_precision_decides_how_matrices_are_multiplied(precision: str, matmul: str) -> None:
    assert chosen(machine(), train__precision=[precision]).matmul_precision == matmul


# nanoGPT's CPU configuration, T = 64, on each described machine.
SHORT: dict[tuple[str, str], Execution] = {
    ("amx", "float32"): Execution("cpu", "highest", 1, fused=True),
    ("amx", "bfloat16"): Execution("cpu", "bfloat16", 4),
    ("avx512", "float32"): Execution("cpu", "medium", 4),
    ("avx512", "highest"): Execution("cpu", "highest", 1, fused=True),
    ("avx512", "bfloat16"): Execution("cpu", "bfloat16", 4),
    ("avx2", "float32"): Execution("cpu", "medium", 4),
    ("avx2", "bfloat16"): Execution("cpu", "bfloat16", 1, compiled=True),  # emulated: slow enough to compile for
    ("neon", "float32"): Execution("cpu", "highest", 1, fused=True),
    ("neon", "bfloat16"): Execution("cpu", "bfloat16", 4),
    ("one-core", "float32"): Execution("cpu", "medium", 4),
    ("64-cores", "float32"): Execution("cpu", "medium", 4),
    ("h100", "float32"): Execution("cuda", "highest", 1024, fused=True),  # medium is TF32 there
    ("h100", "bfloat16"): Execution("cuda", "bfloat16", 1024, fused=True),
}
# The same sequences four times as long: one network's streams already make as large a stack as was timed.
LONG: dict[tuple[str, str], Execution] = {
    ("amx", "float32"): Execution("cpu", "highest", 1, fused=True),
    ("amx", "bfloat16"): Execution("cpu", "bfloat16", 1),
    ("avx512", "float32"): Execution("cpu", "medium", 1, fused=True),
    ("avx512", "bfloat16"): Execution("cpu", "bfloat16", 1),
    ("avx2", "float32"): Execution("cpu", "medium", 1, fused=True),
    ("neon", "bfloat16"): Execution("cpu", "bfloat16", 1),
}


@pytest.mark.parametrize(
    ("name", "precision", "context", "expected"),
    [(*key, 64, execution) for key, execution in SHORT.items()]
    + [(*key, 256, execution) for key, execution in LONG.items()],
)
def test_what_is_fastest_on_described_machines(name: str, precision: str, context: int, expected: Execution) -> None:
    assert chosen(described(name), train__precision=[precision], model__block_size=[context]) == expected


def test_attention_timed_in_float32_alone_is_wrong_for_bfloat16_on_a_cpu_with_amx() -> None:
    """There bfloat16's matrix products are six times as fast as float32's, and its fused attention slower."""
    amx = described("amx")
    (cpu,) = amx.measured["devices"].values()
    float32_alone = {**cpu, "steps": dict.fromkeys(cpu["steps"], cpu["steps"]["highest"])}
    blind = MachineProfile(amx.key, {**amx.measured, "devices": {"cpu": float32_alone}})
    assert chosen(blind, train__precision=["bfloat16"]) == Execution("cpu", "bfloat16", 1, fused=True)
    assert chosen(amx, train__precision=["bfloat16"]) == Execution("cpu", "bfloat16", 4)
    assert chosen(blind) == chosen(amx), "float32 is planned as before"
    sweep: dict[str, Any] = {"model__n_embd": [64], "train__batch_size": [16], "train__precision": ["bfloat16"]}
    assert chosen(amx, **sweep) == Execution("cpu", "bfloat16", 6), "of a CI sweep's network more lanes are as much"


def test_a_network_that_cannot_fuse_attention_is_given_lanes() -> None:
    assert chosen(described("neon")).fused
    for fixed in ({"model__dropout": [0.1]}, {"model__positions": ["relative"]}):
        assert chosen(described("neon"), **fixed) == Execution("cpu", "highest", 4)
        assert not chosen(described("h100"), **fixed).fused


@pytest.mark.parametrize(("name", "compiled"), [("one-core", True), ("avx512", False), ("64-cores", False)])
def test_the_fewer_the_cores_the_sooner_compiling_pays(name: str, compiled: bool) -> None:
    """40 runs take 350 s, a fifth of which is saved: twice the compiler's 22 s on one core, not on each of two."""
    assert chosen(described(name), train__steps=[500], seed=[*range(40)]).compiled == compiled


def test_a_fast_precision_with_fewer_bits_is_not_float32() -> None:
    assert chosen(machine(products={"medium": {"gflops": 9e3, "error": 5e-4}})).matmul_precision == "highest"


def test_a_network_whose_matmuls_are_tiny_takes_the_precision_that_all_batches_of_them_take() -> None:
    tiny: dict[str, Any] = {"model__n_embd": [16], "model__n_head": [2], "model__block_size": [8]}
    smallest, larger = (chosen(machine(), **tiny, train__batch_size=[size]) for size in (4, 5))
    assert smallest.matmul_precision == "highest"  # 4·8·8·16 = 16³ multiplications
    assert larger.matmul_precision == "medium"


@pytest.mark.parametrize(("context", "fused"), [(32, False), (64, False), (256, True), (300, True), (2000, True)])
def test_attention_is_fused_where_that_was_faster(context: int, fused: bool) -> None:
    assert chosen(machine(), model__block_size=[context], data__corpus=["synthetic"]).fused == fused


def test_lanes_fill_what_was_fastest_to_fill() -> None:
    # Four lanes of 12 × 64 × 128 entries were as fast as one: a quarter of the width has room for four times as many.
    assert chosen(machine()).lanes == 4
    assert chosen(machine(), model__n_embd=[32]).lanes == 16
    assert chosen(machine(), model__n_embd=[512]).lanes == 1
    medium = CPU["steps"]["medium"]
    slow_together = {**CPU["steps"], "medium": {**medium, "lanes": {"64": 1.1 * medium["plain"]["64"]}}}
    assert chosen(machine(steps=slow_together)) == Execution("cpu", "medium", 1)


def test_a_gpu_takes_what_its_memory_holds() -> None:
    small, large = chosen(gpu_machine(2**30)), chosen(gpu_machine(2**34))
    assert (small.device, large.device) == ("cuda", "cuda")
    assert large.lanes == pytest.approx(16 * small.lanes, rel=0.2)
    assert chosen(gpu_machine(2**50)).lanes == 1024
    assert chosen(gpu_machine(), Overrides(device="cpu")).device == "cpu"


def test_compiling_must_pay_for_itself() -> None:
    few, many = runs(), runs(seed=[*range(2000)])
    assert not compiling_pays(few, machine(), "cpu")
    assert compiling_pays(many, machine(), "cpu")
    assert not compiling_pays(many, machine(cores=2000), "cpu"), "on many cores little is saved on each"
    assert chosen(machine(), seed=[*range(2000)]) == Execution("cpu", "medium", 4, compiled=True)
    assert not chosen(machine(compiler=False), seed=[*range(2000)]).compiled
    assert not compiling_pays(runs(train__steps=[0], seed=[*range(2000)]), machine(), "cpu")


def test_a_few_long_runs_are_compiled_each_alone() -> None:
    """A compiled network on a CPU has as many lanes as it was made for: idle ones would cost more than they gain."""
    long, cores = 20_000, machine().cores
    few, many = [*range(8 * cores - 1)], [*range(8 * cores)]
    assert chosen(machine(), train__steps=[long], seed=few) == Execution("cpu", "medium", 1, compiled=True)
    assert chosen(machine(), train__steps=[long], seed=many) == Execution("cpu", "medium", 4, compiled=True)


def test_overrides_win_over_what_was_measured() -> None:
    assert chosen(machine(), Overrides(lanes=7)).lanes == 7
    assert chosen(machine(), Overrides(compiled="on")).compiled
    with pytest.raises(InitlabError, match="no device 'cuda'"):
        chosen(machine(), Overrides(device="cuda"))


def test_what_was_chosen_stays_when_the_sweep_grows_or_another_measurement_comes_in() -> None:
    previous = plan_execution(runs(), machine(), Overrides())
    slower = machine(products={"medium": {"gflops": 1.0, "error": 4e-7}})
    grown = runs(model__n_layer=[2, 3])
    after = plan_execution(grown, slower, Overrides(), previous)
    assert after.execution_of(grown[0]) == previous.execution_of(runs()[0])
    assert after.execution_of(grown[0]).matmul_precision == "medium"
    assert after.execution_of(grown[1]).matmul_precision == "highest", "a shape that is new is chosen anew"
    assert plan_execution(runs(), machine(), Overrides(lanes=2), previous).execution_of(runs()[0]).lanes == 2


def test_choices_are_plain_data_of_one_machine() -> None:
    here = MachineProfile(machine().key | {"cores": machine_cores()}, machine().measured)
    execution_plan = plan_execution(runs(), here, Overrides())
    stored = json.loads(json.dumps(execution_plan.to_json()))
    assert ExecutionPlan.from_json(stored) == execution_plan
    stored["machine"]["key"]["cores"] = 9999
    assert ExecutionPlan.from_json(stored) is None
    assert ExecutionPlan.from_json(None) is None
    assert ExecutionPlan.from_json({"machine": stored["machine"]}) is None


def machine_cores() -> int:
    from initlab.machine.profile import machine_key

    return int(machine_key()["cores"])
