"""Sensitivity and scaling of a sweep's axes, from planted laws."""

import math
from pathlib import Path

import pytest

from initlab.verdicts.sweep_axes import scalings, sensitivities
from tests.verdicts.planted import DIVERGED, MISSING, Planted, store

RATES = (1e-4, 1e-3, 1e-2)


def test_nothing_is_said_of_axes_that_are_not_swept(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.5, 1: 2.6})])
    assert sensitivities(sweep) == []
    assert scalings(sweep) == []


def test_sensitivity_by_init_and_activation(tmp_path: Path) -> None:
    losses = {1e-4: 3.0, 1e-3: 2.5, 1e-2: 2.55}
    cells = [
        Planted({0: loss, 1: loss + 0.02}, init=init, axes={"train.lr": lr}, initial=4.0)
        for init in ("gpt2", "pytorch")
        for lr, loss in losses.items()
    ]
    cells[-1] = Planted({0: 2.55, 1: DIVERGED}, init="pytorch", axes={"train.lr": 1e-2}, initial=4.0)
    calm, wild = sensitivities(store(tmp_path / "x", cells))
    assert (calm.label, calm.rates, calm.n, calm.diverged) == ("gpt2 · gelu", 3, 2, 0)
    assert calm.sensitivity == pytest.approx((0.5 + 0 + 0.05) / 3)
    assert calm.stable is not None
    assert (calm.stable.low, calm.stable.high) == (1e-3, 1e-2)
    assert calm.optimum is not None
    assert 1e-3 < calm.optimum < 1e-2
    assert calm.optimum_interval == pytest.approx((1e-4, 1e-2)), "the neighbours: the grid tells no more"
    assert (calm.span, calm.even) == ((1e-4, 1e-2), True)
    assert calm.decades == pytest.approx(2.0)
    # seed 1: deviations 0.5, 0 and 4 - 2.52
    assert wild.sensitivity == pytest.approx(((0.5 + 0.05) / 3 + (0.5 + 1.48) / 3) / 2)
    assert wild.diverged == 1
    assert wild.stable is not None
    assert (wild.stable.low, wild.stable.high) == (1e-3, 1e-3)


def test_a_group_that_is_not_finished_has_no_row(tmp_path: Path) -> None:
    cells = [Planted({0: 2.5 if lr < 1e-2 else MISSING}, axes={"train.lr": lr}) for lr in RATES]
    assert sensitivities(store(tmp_path / "x", cells)) == []


def _sized(width: int, lr: float, seed_noise: float) -> Planted:
    """The stream's last moment ∝ width, the best rate ∝ 1/width."""
    best = math.log(1e-3 * 64 / width)
    losses: dict[int, float | str] = {
        seed: 2.5 + 0.05 * (math.log(lr) - best - seed * seed_noise) ** 2 for seed in range(3)
    }
    axes = {"model.n_embd": width, "train.lr": lr}
    return Planted(losses, axes=axes, residual=(1.0, 1.0, width / 64))


def test_scaling_over_width_and_the_shift_of_the_optimum(tmp_path: Path) -> None:
    widths, rates = (64, 512, 4096), [10**x for x in (-6.0, -5.5, -5.0, -4.5, -4.0, -3.5, -3.0, -2.5, -2.0)]
    rows = scalings(store(tmp_path / "x", [_sized(width, lr, 0.01) for width in widths for lr in rates]))
    moments = [row for row in rows if row.what == "residual_ms.last"]
    assert len(moments) == len(rates), "one a learning rate: everything else is equal"
    assert {row.axis for row in rows} == {"model.n_embd"}
    assert all(row.slope and row.slope.exponent == pytest.approx(1.0) for row in moments)
    assert all(row.slope and row.slope.trend == "grows" for row in moments)
    constant = [row for row in rows if row.what == "logit_var.last"]
    assert all(row.slope and row.slope.trend == "constant" for row in constant)
    (shift,) = [row for row in rows if row.what == "best learning rate"]
    assert shift.slope is not None
    assert shift.slope.exponent == pytest.approx(-1.0, abs=0.02)
    assert (shift.slope.trend, shift.slope.n, shift.label) == ("shrinks", 3, "gpt2 · gelu")
    # between the neighbours: 10^-3.5 to 10^-2.5 at 64, 10^-5.5 to 10^-4.5 at 4096
    assert shift.slope.interval == pytest.approx((-3 / math.log10(64), -1 / math.log10(64)))


def test_a_best_rate_at_an_end_has_no_value_and_no_exponent(tmp_path: Path) -> None:
    widths, rates = (64, 1024), [10**x for x in (-4.5, -4.0, -3.5, -3.0, -2.5)]
    sweep = store(tmp_path / "x", [_sized(width, lr / 10, 0.01) for width in widths for lr in rates])
    (shift,) = [row for row in scalings(sweep) if row.what == "best learning rate"]
    assert shift.slope is None
    assert shift.problem == "an end of the grid at 64: a bound"
    narrow, wide = sensitivities(sweep)
    assert wide.optimum is not None
    assert narrow.optimum is None
    assert narrow.optimum_interval == pytest.approx((10**-4, math.inf))


def test_a_label_names_neither_what_moves_with_the_axis_nor_what_all_share(tmp_path: Path) -> None:
    sizes = {64: 2, 128: 4}  # heads follow the width
    cells = [
        Planted(
            {0: 2.5, 1: 2.6}, init=init, axes={"model.n_embd": width, "model.n_head": heads, "train.warmup": warmup}
        )
        for init in ("gpt2", "pytorch")
        for width, heads in sizes.items()
        for warmup in (0, 10)
    ]
    told = {row.label for row in scalings(store(tmp_path / "x", cells)) if row.what == "residual_ms.last"}
    assert told == {f"{init} · gelu · warmup={warmup}" for init in ("gpt2", "pytorch") for warmup in (0, 10)}
    alone = Planted({0: 2.5, 1: 2.6}, init="xavier", axes={"model.n_embd": 32, "model.n_head": 1, "train.warmup": 5})
    cells = [cell for cell in cells if cell.axes["train.warmup"] == 0]
    found = {row.label for row in scalings(store(tmp_path / "y", [*cells, alone]))}
    assert found == {"gpt2 · gelu", "pytorch · gelu"}
