"""A plan that somebody else wrote is refused where it would lead elsewhere, or nowhere."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from initlab.store.plan_document import check_plan, check_prediction, check_resolved
from tests.tiny import tiny_task

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planned") / "s"
    tiny_task(path, {"init": ["gpt2", "xavier"], "seed": [0, 1]})
    return path


@pytest.fixture
def plan(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "sweep.json").read_text())
    check_plan(document)
    return document


PLANS: list[tuple[str, Change]] = [
    ("no cells or no runs", lambda plan: plan.pop("cells")),
    ("runs is no list", lambda plan: plan.update(runs={})),
    (r"runs\[0\] is no table", lambda plan: plan.update(runs=[3])),
    ("no run's id", lambda plan: plan["runs"][0].update(id="../../x")),
    ("no run's id", lambda plan: plan["runs"][0].update(id="/etc")),
    ("no run's id", lambda plan: plan["runs"][0].update(id="")),
    ("no run's id", lambda plan: plan["runs"][0].update(id="a" * 65)),
    ("there is no cell -1", lambda plan: plan["runs"][1].update(cell=-1)),
    ("there is no cell 2", lambda plan: plan["runs"][1].update(cell=2)),
    ("there is no cell True", lambda plan: plan["runs"][1].update(cell=True)),
    ("no seed", lambda plan: plan["runs"][0].update(seed=-1)),
    ("name is no text", lambda plan: plan.update(name=3)),
    ("no single value", lambda plan: plan["cells"][0]["fields"]["model"].update(n_embd=[1])),
    ("n_layer is '2'", lambda plan: plan["cells"][0]["fields"]["model"].update(n_layer="2")),
    ("predictions", lambda plan: plan.update(predictions={"a": "../b"})),
    ("plugin_probes is no table", lambda plan: plan.update(plugin_probes=[1])),
    ("outlooks", lambda plan: plan.update(outlooks=[{"init": "gpt2", "activation": 3}])),
]


@pytest.mark.parametrize(("said", "change"), PLANS)
def test_a_plan_that_nobody_here_has_written(said: str, change: Change, plan: dict[str, Any]) -> None:
    change(plan)
    with pytest.raises((ValueError, KeyError, TypeError), match=said):
        check_plan(plan)


def test_a_prediction_is_numbers_of_the_right_length_or_a_reason(folder: Path) -> None:
    files = sorted((folder / "predictions").iterdir())
    for file in files:
        check_prediction(json.loads(file.read_text()))
    check_prediction({"reason": "theory has nothing to say"})
    right = json.loads(files[0].read_text())
    name = next(iter(right["sites"]))
    changes: list[dict[str, Any]] = [
        {"reason": 3},
        {"growth": None},
        {"growth": "1"},
        {"sites": {**right["sites"], name: ["x"]}},
        {"bands": {**right["bands"], name: [[0.0, 1.0]] * 99}},
        {"validity": [3]},
        {"growth_law": []},
    ]
    for change in changes:
        with pytest.raises((ValueError, KeyError, TypeError)):
            check_prediction({**copy.deepcopy(right), **change})
    for missing in ("sites", "bands", "validity", "growth_law"):
        with pytest.raises(KeyError):
            check_prediction({key: value for key, value in right.items() if key != missing})


def test_a_resolved_spec_is_tables_of_tables(folder: Path) -> None:
    right = json.loads((folder / "spec.resolved.json").read_text())
    check_resolved(right)
    check_resolved({"schema_version": 1})
    digest = next(iter(right["laws"]))
    laws: list[Any] = [[], {digest: 3}, {digest: {"slots": {}}}]
    changes: list[dict[str, Any]] = [{"runs": []}, {"execution": 3}, *({"laws": one} for one in laws)]
    for change in changes:
        with pytest.raises((ValueError, KeyError, TypeError)):
            check_resolved({**right, **change})
    with pytest.raises(ValueError, match="no runs or no laws"):
        check_resolved({"runs": {}})
