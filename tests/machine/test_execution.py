"""An execution survives JSON, and wishes win over what was measured."""

import json

import pytest

from initlab.machine.execution import COMPILE_MODES, Execution, Wishes


def test_an_execution_is_plain_data() -> None:
    execution = Execution("cuda", "bfloat16", 64, fused=True, compiled=True)
    assert Execution.from_json(json.loads(json.dumps(execution.to_json()))) == execution
    assert Execution() != execution


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (Wishes(), Execution("cpu", "medium", 4)),
        (Wishes(lanes=1), Execution("cpu", "medium", 1)),
        (Wishes(device="cuda"), Execution("cuda", "medium", 4)),
        (Wishes(compiled="on"), Execution("cpu", "medium", 4, compiled=True)),
        (Wishes(compiled="off"), Execution("cpu", "medium", 4)),
    ],
)
def test_wishes_win(wishes: Wishes, expected: Execution) -> None:
    assert wishes.apply(Execution("cpu", "medium", 4)) == expected


def test_off_undoes_a_choice_and_auto_leaves_it() -> None:
    compiled = Execution(compiled=True)
    assert {mode: Wishes(compiled=mode).apply(compiled).compiled for mode in COMPILE_MODES} == {
        "auto": True,
        "on": True,
        "off": False,
    }


def test_words_name_what_differs() -> None:
    assert Execution(products="medium").words == "float32 products by the medium path on cpu, up to 4 lanes"
    words = Execution("cuda", "bfloat16", 1, fused=True, compiled=True).words
    assert words == "bfloat16 products on cuda, one lane, fused attention, compiled"
