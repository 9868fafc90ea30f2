"""An execution survives JSON, and overrides win over what was measured."""

import json

import pytest

from initlab.machine.execution import COMPILE_MODES, Execution, Overrides


def test_an_execution_is_plain_data() -> None:
    execution = Execution("cuda", "bfloat16", 64, fused=True, compiled=True)
    assert Execution.from_json(json.loads(json.dumps(execution.to_json()))) == execution
    assert Execution() != execution


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (Overrides(), Execution("cpu", "medium", 4)),
        (Overrides(lanes=1), Execution("cpu", "medium", 1)),
        (Overrides(device="cuda"), Execution("cuda", "medium", 4)),
        (Overrides(compiled="on"), Execution("cpu", "medium", 4, compiled=True)),
        (Overrides(compiled="off"), Execution("cpu", "medium", 4)),
    ],
)
def test_overrides_win(overrides: Overrides, expected: Execution) -> None:
    assert overrides.apply(Execution("cpu", "medium", 4)) == expected


def test_off_undoes_a_choice_and_auto_leaves_it() -> None:
    compiled = Execution(compiled=True)
    assert {mode: Overrides(compiled=mode).apply(compiled).compiled for mode in COMPILE_MODES} == {
        "auto": True,
        "on": True,
        "off": False,
    }


def test_the_description_names_what_differs() -> None:
    assert Execution(matmul_precision="medium").describe() == "matmul precision medium on cpu, up to 4 lanes"
    line = Execution("cuda", "bfloat16", 1, fused=True, compiled=True).describe()
    assert line == "matmul precision bfloat16 on cuda, one lane, fused attention, compiled"
