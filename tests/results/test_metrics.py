"""What metric names mean."""

import math
import re
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.cells import Run
from initlab.results.metrics import METRICS, PLACES, check_probe, metric_named, on_grid
from initlab.verdicts.evidence import BRACKETED, REDUCTIONS
from tests.verdicts.planted import DIVERGED, UNIFORM, Planted, store


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return store(tmp_path_factory.mktemp("x") / "x", [Planted({0: 2.5})]).cells[0].runs[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("final_loss", 2.5),
        ("above_floor", 1.25),
        ("learnt", UNIFORM - 2.5),
        ("train_loss", 2.51),
        ("diverged", 0.0),
        ("initial_loss", UNIFORM),
        ("initial_excess", 0.0),
        ("growth", 2.0),
        ("residual_ms.first", 1.0),
        ("residual_ms.last", 2.0),
        ("residual_ms.last@end", 4.0),
        ("residual_ms.mean@start", 1.5),
        ("residual_ms.max", 2.0),
        ("residual_ms.min", 1.0),
        ("residual_ms.growth", 2.0),
        ("residual_ms.swing", 2.0),
        ("token_cosine.max", 0.3),
        ("logit_var.last", 0.5),
    ],
)
def test_values(run: Run, name: str, value: float) -> None:
    assert metric_named(name).read(run) == pytest.approx(value)


def test_a_step_after_the_first_is_of_trained_cells_and_only_where_it_was_probed(run: Run) -> None:
    first, last = run.layers[0], run.layers[-1]
    assert last["step"] > first["step"] == 0
    at_end = metric_named(f"residual_ms.last@{last['step']}")
    assert at_end.read(run) == metric_named("residual_ms.last@end").read(run) == 4.0
    assert at_end.trained
    assert at_end.positive
    assert metric_named("residual_ms.last@0").read(run) == metric_named("residual_ms.last").read(run) == 2.0
    assert not metric_named("residual_ms.last@0").trained
    assert metric_named(f"residual_ms.last@{last['step'] + 1}").read(run) is None
    assert metric_named("update_ratio_ffn_up.mean@1").positive
    with pytest.raises(InitlabError, match="'start', 'end' or a step"):
        metric_named("residual_ms.last@-1")


def test_every_metric_of_a_run_is_tested() -> None:
    assert set(METRICS) == {
        *("final_loss", "above_floor", "learnt", "train_loss", "diverged", "initial_loss", "initial_excess", "growth")
    }


def test_a_diverged_run_counts_as_having_learnt_nothing(tmp_path: Path) -> None:
    run = store(tmp_path / "x", [Planted({0: DIVERGED}, initial=4.2)]).cells[0].runs[0]
    assert metric_named("final_loss").read(run) == 4.2
    assert metric_named("train_loss").read(run) == 4.2
    assert metric_named("diverged").read(run) == 1.0


def test_what_was_not_finite_is_infinite_and_what_was_not_measured_is_nothing(tmp_path: Path) -> None:
    run = store(tmp_path / "x", [Planted({0: 2.5}, residual=(1.0, math.inf, 2.0))]).cells[0].runs[0]
    assert metric_named("residual_ms.last").read(run) == math.inf
    assert metric_named("absent.last").read(run) is None
    lost = store(tmp_path / "y", [Planted({0: 2.5}, residual=(1.0, math.inf), initial=math.inf)]).cells[0].runs[0]
    assert metric_named("growth").read(lost) == math.inf
    assert metric_named("initial_loss").read(lost) == math.inf
    assert metric_named("final_loss").read(lost) == 2.5, "with a uniform guess as its start"


def test_every_name_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]*)`", text))))
    assert words >= {*METRICS, *PLACES, *REDUCTIONS, *BRACKETED}


def test_scales() -> None:
    assert metric_named("growth").positive
    assert metric_named("residual_var.last").positive
    assert not metric_named("token_cosine.max").positive
    assert not metric_named("final_loss").positive


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("final_los", "did you mean 'final_loss'"),
        ("residual_ms", r"is read at a place: residual_ms\.last"),
        ("residual_ms.lst", "did you mean 'last'"),
        ("residual_ms.last@middle", "'start', 'end' or a step"),
    ],
)
def test_a_wrong_name(name: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        metric_named(name)


def test_a_probe_that_no_run_holds(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.5})])
    with pytest.raises(InitlabError, match="did you mean 'residual_ms'"):
        check_probe(metric_named("residual_mss.last"), sweep)
    check_probe(metric_named("residual_ms.last"), sweep)


def test_which_metrics_a_law_may_fix_and_which_lie_on_a_grid() -> None:
    fixed = {name for name in (*METRICS, "residual_ms.last", "residual_ms.last@end", "dead_units.max")
             if metric_named(name).fixed}  # fmt: skip
    assert fixed == {"initial_loss", "initial_excess", "growth", "residual_ms.last"}
    assert {name for name in (*METRICS, "dead_units.max@end", "residual_ms.last") if on_grid(metric_named(name))} == {
        *("diverged", "dead_units.max@end")
    }
