"""Lane groups: what may train together does, and nothing is lost."""

import pytest

from initlab.planning.expand import PlannedRun, expand
from initlab.planning.groups import LaneGroup, group_runs
from initlab.spec.sweep import Grid, SweepSpec

MAX_LANES = 4


def _grouped(runs: list[PlannedRun], jobs: int) -> list[LaneGroup]:
    return group_runs(runs, jobs=jobs, lanes=lambda run: MAX_LANES)


def _runs(axes: dict[str, list[object]]) -> list[PlannedRun]:
    fixed = {"model.n_layer": 2, "model.n_head": 2, "model.n_embd": 16, "model.block_size": 8, "train.steps": 10}
    return expand(SweepSpec(fixed={**fixed}, grids=(Grid(axes),)))


def test_every_run_is_in_exactly_one_group_and_costly_groups_come_first() -> None:
    runs = _runs({"init": ["gpt2", "nanogpt", "depth-scaled"], "seed": [*range(5)], "model.n_layer": [1, 2]})
    groups = _grouped(runs, 2)
    grouped = [run.id for group in groups for run in group.runs]
    assert sorted(grouped) == sorted({run.id for run in runs})
    assert all(len(group.runs) <= MAX_LANES for group in groups)
    assert [group.seconds for group in groups] == sorted((group.seconds for group in groups), reverse=True)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_equal_runs_make_equal_groups(jobs: int) -> None:
    """Two groups a worker, to the run: a sum of costs must not come out just below a whole number of them."""
    for size in (3, 5, 6, 7):
        runs = _runs({"seed": [*range(2 * jobs * size)], "train.steps": [30]})
        assert [len(group.runs) for group in group_runs(runs, jobs=jobs, lanes=lambda run: 16)] == [size] * (2 * jobs)


def test_where_fewer_lanes_cost_as_much_groups_are_full_ones() -> None:
    runs = _runs({"seed": [*range(5)]})
    assert [len(group.runs) for group in _grouped(runs, 2)] == [1] * 5
    full = group_runs(runs, jobs=2, lanes=lambda run: MAX_LANES, filled=lambda run: True)
    assert [len(group.runs) for group in full] == [4, 1]


@pytest.mark.parametrize(
    ("path", "values", "together"),
    [
        ("train.lr", [1e-3, 1e-2], True),
        ("train.warmup", [0, 5], True),
        ("init", ["gpt2", "pytorch"], True),
        ("seed", [0, 1], True),
        ("init", ["completep", "depth-mup:std=0.1"], True),
        ("init", ["skipinit", "skipinit:alpha=0.5"], True),
        ("init", ["u-mup", "mup"], False),
        ("init", ["rezero", "skipinit"], False),
        ("model.norm_at", ["post", "sandwich"], False),
        ("model.positions", ["rotary", "sinusoidal"], False),
        ("activation", ["gelu", "relu"], False),
        ("model.n_layer", [1, 2], False),
        ("model.tied", [True, False], False),
        ("train.steps", [10, 20], True),
        ("train.steps", [0, 10], False),
        ("train.eval_interval", [5, 10], False),
        ("train.precision", ["float32", "float64"], False),
    ],
)
def test_only_what_is_data_may_differ_within_a_group(path: str, values: list[object], together: bool) -> None:
    one = [run for value in values for run in _runs({path: [value]})]
    others = [run for value in values for run in _runs({path: [value], "data.seed": [7]})]
    untied: dict[str, list[object]] = {path: [False]} if path == "model.tied" else {}
    fillers = _runs({"seed": [*range(10, 30)], **untied})  # enough work that two runs need not be on two workers
    groups = _grouped(one + others + fillers, 1)
    mixed = any(len({getattr_path(run, path) for run in group.runs}) > 1 for group in groups)
    assert mixed == together


def getattr_path(run: PlannedRun, path: str) -> object:
    if path == "model.tied":
        return run.dims.tied  # the spec may leave it to the init
    value: object = run.spec
    for part in path.split("."):
        value = getattr(value, part)
    return value


def test_many_workers_get_many_groups() -> None:
    runs = _runs({"seed": [*range(8)]})
    assert len(_grouped(runs, 1)) == 2
    assert len(_grouped(runs, 8)) == 8


def test_runs_of_like_length_are_together() -> None:
    groups = _grouped(_runs({"train.steps": [10, 400, 20, 300, 390, 30, 310, 40]}), 1)
    assert all(max(steps) < 2 * min(steps) + 30 for steps in ([r.spec.train.steps for r in g.runs] for g in groups))
