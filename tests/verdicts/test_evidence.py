"""From statements to checks: which cells, which seeds, which scale."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.results.reading import Results
from initlab.verdicts.check import Check
from initlab.verdicts.evidence import checks
from initlab.verdicts.statement import Statement
from tests.verdicts.planted import DIVERGED, FAILED, MISSING, Planted, around, store

NOISE = (0.0, 0.01, -0.01)


def _checks(sweep: Results, **statement: Any) -> list[Check]:
    return checks(Statement.model_validate({"id": "x", "metric": "final_loss", "max": 9.0, **statement}), sweep, 0.95)


def test_one_check_a_cell_and_training_metrics_of_trained_cells_only(tmp_path: Path) -> None:
    probed = Planted({0: 9.0}, init="depth-scaled", steps=0, axes={"train.steps": 0})
    trained = [Planted(around(2.5, NOISE), init=name, axes={"train.steps": 30}) for name in ("gpt2", "depth-scaled")]
    sweep = store(tmp_path / "x", [*trained, probed])
    found = _checks(sweep)
    assert [check.label for check in found] == ["gpt2 · gelu", "depth-scaled · gelu"]
    assert found[0].value == pytest.approx(2.5)
    assert len(_checks(sweep, metric="growth")) == 3
    assert [check.label for check in _checks(sweep, where={"init": "nanogpt"})] == ["depth-scaled · gelu"]
    both = _checks(sweep, metric="growth", where={"init": "nanogpt"})
    assert [check.label for check in both] == ["depth-scaled · gelu · steps=30", "depth-scaled · gelu · steps=0"]


def test_diverged_runs_stay_in_the_mean(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.0, 1: DIVERGED}, initial=4.0)])
    assert _checks(sweep)[0].value == pytest.approx(3.0)
    assert _checks(sweep, metric="diverged")[0].value == 0.5


@pytest.mark.parametrize("ended", [FAILED, MISSING])
def test_runs_without_a_result_leave_no_number(tmp_path: Path, ended: str) -> None:
    check = _checks(store(tmp_path / "x", [Planted({0: 2.0, 1: ended})]))[0]
    assert check.value is None
    assert check.problem is not None
    assert f"seed 1 {ended}" in check.problem


def test_settings_are_compared_seed_by_seed(tmp_path: Path) -> None:
    shared = (0.0, 0.5, -0.4)
    gelu, relu = (
        Planted(around(2.5, shared)),
        Planted(around(2.4, [s + e for s, e in zip(shared, NOISE, strict=True)]), activation="relu"),
    )
    sweep = store(tmp_path / "x", [gelu, relu])
    compare = {"axis": "activation", "of": "gelu", "against": "relu"}
    (found,) = _checks(sweep, compare=compare, min=0.0)
    assert found.value == pytest.approx(0.1)
    assert found.inside, "the shared noise cancels"
    assert "paired by seed, correlation 1.00" in found.note
    assert "needs >= 6 seeds" in found.note
    assert found.label == "gelu against relu · gpt2"


def test_factors_are_compared_on_the_log_scale(tmp_path: Path) -> None:
    flat = Planted(around(2.5, NOISE), residual=(1.0, 2.0, 8.0))
    scaled = Planted(around(2.5, NOISE), init="depth-scaled", residual=(1.0, 1.0, 2.0))
    sweep = store(tmp_path / "x", [flat, scaled])
    (found,) = _checks(sweep, metric="growth", compare={"axis": "init", "of": "gpt2", "against": "nanogpt"})
    assert found.value == pytest.approx(4.0)


def test_one_init_under_two_names_is_exactly_equal(tmp_path: Path) -> None:
    losses = around(2.5, NOISE)
    sweep = store(tmp_path / "x", [Planted(losses), Planted(losses, init="gpt2-released", laws="gpt2")])
    compare = {"axis": "init", "of": "gpt2", "against": "gpt2-released"}
    (found,) = _checks(sweep, compare=compare, min=-0.01, max=0.01)
    assert (found.value, found.inside) == (0.0, True)
    assert found.interval == pytest.approx((0.0, 0.0), abs=1e-5)
    assert found.note == "the same numbers"
    alone = store(tmp_path / "y", [Planted({0: 2.5}), Planted({0: 2.5}, init="gpt2-released", laws="gpt2")])
    assert _checks(alone, compare=compare, min=-0.01, max=0.01)[0].inside
    (never,) = _checks(alone, metric="diverged", compare=compare, min=-0.01, max=0.01)
    assert (never.value, never.inside) == (0.0, False), "two runs that did not diverge are no such thing"


def _over_depth(tmp_path: Path, exponent: float) -> Results:
    return store(
        tmp_path / "x",
        [
            Planted(
                around(2.5, NOISE),
                axes={"model.n_layer": depth, "model.n_head": depth},
                residual=(1, 1, depth**exponent),
            )
            for depth in (2, 4, 8)
        ],
    )


def test_a_slope_over_an_axis_and_what_is_zipped_with_it(tmp_path: Path) -> None:
    sweep = _over_depth(tmp_path, 1.5)
    (found,) = _checks(sweep, metric="residual_ms.last", over="n_layer", reduce="slope")
    assert found.value == pytest.approx(1.5)
    assert "over n_layer" in found.label
    (ratio,) = _checks(sweep, metric="residual_ms.last", over="n_layer", reduce="ratio")
    assert ratio.value == pytest.approx(4**1.5)


def test_learning_rate_curves(tmp_path: Path) -> None:
    rates: dict[float, float | str] = {1e-4: 3.0, 1e-3: 2.5, 1e-2: 2.55, 1e-1: DIVERGED}
    cells = [Planted({0: loss, 1: loss}, axes={"train.lr": lr}, initial=4.0) for lr, loss in rates.items()]
    sweep = store(tmp_path / "x", cells)

    def value(reduce: str) -> float | None:
        return _checks(sweep, over="lr", reduce=reduce)[0].value

    # clipped at the initial loss of 4: deviations 0.5, 0, 0.05, 1.5
    assert value("sensitivity") == pytest.approx(2.05 / 4)
    assert value("best") == pytest.approx(2.5)
    assert value("stable_decades") == pytest.approx(1.0)
    optimum = value("optimum")
    assert optimum is not None
    assert 1e-3 < optimum < 1e-2


def test_pooling_averages_cells_seed_by_seed(tmp_path: Path) -> None:
    cells = [
        Planted(around(loss, [noise, -noise, noise + tiny]), init=init, activation=activation)
        for init, noise in (("gpt2", 0.3), ("depth-scaled", -0.3))
        for activation, loss, tiny in (("gelu", 2.5, 1e-10), ("relu", 2.4, 0.0))
    ]
    sweep = store(tmp_path / "x", cells)
    compare = {"axis": "activation", "of": "gelu", "against": "relu"}
    assert len(_checks(sweep, compare=compare)) == 2
    (pooled,) = _checks(sweep, compare=compare, cells="pooled")
    assert pooled.value == pytest.approx(0.1)
    (mean,) = _checks(sweep, cells="pooled")
    assert mean.value == pytest.approx(2.45)
    assert mean.interval is not None
    assert mean.interval.high - mean.interval.low < 1e-9, "the noise of the cells cancels in every seed"


def test_every_seed(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.0, 1: 3.0})])
    (found,) = _checks(sweep, seeds="every", max=2.5)
    assert (found.value, found.inside, found.p_outside) == (3.0, False, None)
    assert "no rule" in found.describe()


def test_a_divergence_that_did_not_happen_is_no_rule(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted(around(2.5, [0.0, 0.1, 0.2, 0.3, 0.4]))])
    (found,) = _checks(sweep, metric="diverged", seeds="every", max=0.0)
    assert found.inside
    assert "0 of 5 diverged; at most 52% would at 95%: true of these runs, no rule" in found.describe()
    (rate,) = _checks(sweep, metric="diverged", max=0.0)
    assert not rate.inside
    assert rate.interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 5)))


def _over_rates(tmp_path: Path, losses: Mapping[float, tuple[float, ...]]) -> Results:
    return store(
        tmp_path / "x", [Planted(around(0.0, values), axes={"train.lr": lr}) for lr, values in losses.items()]
    )


def test_a_best_rate_at_the_end_of_the_grid_is_a_bound(tmp_path: Path) -> None:
    sweep = _over_rates(
        tmp_path, {1e-4: (2.0, 2.1, 2.05), 1e-3: (2.2, 2.3, 2.4), 1e-2: (3.0, 3.1, 3.05), 1e-1: (3.5, 3.6, 3.7)}
    )
    (found,) = _checks(sweep, over="lr", reduce="optimum", max=0.05)
    assert found.value is None
    assert found.interval is not None
    assert found.interval.sides == "at most"
    assert "the lowest mean loss is at an end of the grid: a bound, no value" in found.describe()
    assert "over 4 values from 0.0001 to 0.1 (3 decades)" in found.describe()
    (above,) = _checks(sweep, over="lr", reduce="optimum", max=None, min=1e-6)
    assert (above.inside, above.p_inside) == (False, 1.0), "from below nothing is known"
    (every,) = _checks(sweep, over="lr", reduce="optimum", seeds="every", max=1.0)
    assert (every.inside, every.value) == (False, None)
    assert "3 of 3 seeds have it at an end of the grid" in every.describe()


def test_where_the_grid_is_too_coarse_no_seeds_are_asked_for(tmp_path: Path) -> None:
    sweep = _over_rates(
        tmp_path, {1e-4: (3.0, 3.1, 3.3), 1e-3: (2.2, 2.3, 2.4), 1e-2: (2.0, 2.11, 2.19), 1e-1: (3.5, 3.62, 3.7)}
    )
    (within,) = _checks(sweep, over="lr", reduce="optimum", max=0.02)
    assert (within.inside, within.advice) == (False, "a finer or wider grid would tell, more seeds would not")
    (beyond,) = _checks(sweep, over="lr", reduce="optimum", max=0.5)
    assert beyond.inside
    assert beyond.interval == pytest.approx((1e-3, 1e-1))
    assert beyond.advice == ""
    (stable,) = _checks(sweep, over="lr", reduce="stable_decades", max=1.0, within=0.15)
    assert stable.value == 0.0
    assert stable.advice == "a finer or wider grid would tell, more seeds would not"
    assert stable.interval is not None
    assert stable.interval.low == 0.0, "a width is not negative"


def test_a_width_of_the_stable_range_is_between_two_of_the_grid(tmp_path: Path) -> None:
    losses = {1e-4: (3.0, 3.1), 1e-3: (2.0, 2.1), 1e-2: (2.01, 2.11), 1e-1: (3.5, 3.6)}
    (found,) = _checks(_over_rates(tmp_path, losses), over="lr", reduce="stable_decades")
    assert found.value == pytest.approx(1.0)
    assert found.interval is not None
    assert found.interval.low < 1.0
    assert found.interval.high > 3.0, "it may end anywhere up to the rates that are not stable"
    assert not found.inside


def test_a_number_that_is_not_finite_is_beyond_any_limit(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.0, 1: 2.1}, residual=(1.0, 2.0, math.inf))])
    (found,) = _checks(sweep, metric="residual_ms.last", max=1e9)
    assert (found.value, found.inside) == (math.inf, False)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"where": {"init": "gtp2"}}, "did you mean 'gpt2'"),
        ({"where": {"n_layr": 2}}, "did you mean 'n_layer'"),
        ({"where": {"n_layer": 3}}, "no cell of x has model.n_layer = 3"),
        ({"metric": "residual_mss.last"}, "did you mean 'residual_ms'"),
        ({"over": "activation", "reduce": "slope"}, "expected an axis of numbers"),
        ({"compare": {"axis": "activation", "of": "gelu", "against": "rleu"}}, "did you mean 'relu'"),
        (
            {"where": {"init": "gpt2"}, "compare": {"axis": "init", "of": "gpt2", "against": "pytorch"}},
            "differ in init",
        ),
    ],
)
def test_what_a_sweep_has_not(tmp_path: Path, statement: dict[str, Any], message: str) -> None:
    cells = [Planted(around(2.5, NOISE), activation=name) for name in ("gelu", "relu")]
    sweep = store(tmp_path / "x", [*cells, Planted(around(2.5, NOISE), init="pytorch")])
    with pytest.raises(InitlabError, match=message):
        _checks(sweep, **statement)
