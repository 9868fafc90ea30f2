"""A lane's numbers never depend on its neighbours: bit for bit, over 50 steps, whatever else they differ in."""

import statistics
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from initlab.data.corpora import load_corpus
from initlab.engine import lane_model
from initlab.engine.benchmark import measure_matmul
from initlab.engine.compiler import can_compile
from initlab.engine.group import Group
from initlab.engine.lane_model import Tensors
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _specs(steps: int = 50, **model: Any) -> list[RunSpec]:
    """Eight runs of one shape that differ in everything that is data."""
    sizes = ModelSpec(**{"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 16, **model})
    common = {"steps": steps, "batch_size": 4, "eval_batches": 2, "eval_interval": 25}
    differences: list[dict[str, Any]] = [
        {},
        {"lr": 1e-2},
        {"warmup": 20},
        {"schedule": "constant"},
        {"clip": 0.1},
        {"weight_decay": 1.0},
        {"beta2": 0.9},
        {"lr": 1e4, "clip": 0.0},
    ]
    inits = ["gpt2", "depth-scaled", "pytorch", "note-proj-0.02"] * 2
    return [
        RunSpec(model=sizes, train=TrainSpec(**{**common, **difference}), init=init, seed=seed)
        for seed, (difference, init) in enumerate(zip(differences, inits, strict=True))
    ]


def _records(specs: Sequence[RunSpec], execution: Execution | None = None) -> dict[int, list[tuple[str, str]]]:
    """Every record of every lane by seed; rows as text, so that NaN equals NaN and nothing else is forgiven."""
    corpus = load_corpus("synthetic")
    found: dict[int, list[tuple[str, str]]] = {spec.seed: [] for spec in specs}
    for record in Group(specs, [corpus] * len(specs), execution).run():
        found[specs[record.lane].seed].append((record.kind, repr(record.row)))
    return found


@pytest.mark.parametrize("model", [{}, {"dropout": 0.2}, {"tied": False, "bias": False, "n_embd": 48, "n_head": 3}])
def test_alone_and_among_seven_others(model: dict[str, Any]) -> None:
    specs = _specs(**model)
    together = _records(specs)
    backwards = _records(specs[::-1])
    assert together == backwards, "where a lane stands changes nothing"
    for spec in (specs[0], specs[3], specs[7]):
        assert _records([spec])[spec.seed] == together[spec.seed]
    assert _records(specs[2:5]) == {seed: together[seed] for seed in (2, 3, 4)}


@pytest.mark.parametrize("precision", ["highest", "medium", "bfloat16"])
@pytest.mark.parametrize(("lanes", "fused"), [(8, False), (1, True), (1, False)])
def test_alone_and_among_others_by_every_path(precision: MatmulPrecision, lanes: int, fused: bool) -> None:
    specs, execution = _specs(steps=12), Execution("cpu", precision, lanes, fused)
    together = _records(specs, execution)
    assert _records(specs[::-1], execution) == together
    for spec in (specs[0], specs[3]):
        assert _records([spec], execution)[spec.seed] == together[spec.seed]
    assert _records(specs[4:7], execution) == {seed: together[seed] for seed in (4, 5, 6)}


@pytest.mark.parametrize("precision", ["highest", "medium", "bfloat16"])
def test_probing_changes_no_loss_by_any_path(precision: MatmulPrecision) -> None:
    (spec,) = _specs(steps=8)[:1]
    for lanes, fused in ((1, False), (4, False), (1, True)):
        execution = Execution("cpu", precision, lanes, fused)
        rows = []
        for every in (1, 8):
            train = spec.train.model_copy(update={"probe_interval": every})
            found = _records([spec.model_copy(update={"train": train})], execution)[spec.seed]
            rows.append([row for kind, row in found if kind == "metrics"])
        assert rows[0] == rows[1]


def _losses(spec: RunSpec, execution: Execution) -> list[float]:
    records = Group([spec], [load_corpus("synthetic")], execution).run()
    return [record.row["train_loss"] for record in records if record.kind == "metrics"]


PATHS = [Execution("cpu", "medium", 4), Execution("cpu", "highest", 1), Execution("cpu", "highest", 1, fused=True)]
"""Other ways than float32 products of four lanes by torch's default path."""

FIRST_LOSS = 4
"""The first loss differs by no more than this many times the relative error of a product: the errors of a dozen
products, of either sign, that the mean over tokens and the logits' own size make smaller."""

FIFTY_STEPS = 250
"""And the losses of 50 steps by no more than this many times, since every update amplifies: Adam's first ones are of
one size even where the gradient is little more than its own rounding. Seen were less than one, and 1e-5 of a loss,
some 30 times."""


def _error(execution: Execution) -> float:
    """Return the relative error of a product by a path on this CPU, at least float32's own.

    The medium path is as exact as float32 on some CPUs and has bfloat16's error on others, so it is measured.
    """
    cpu = torch.device("cpu")
    return max(
        measure_matmul(path, cpu)["error"] for path in (execution.matmul_precision, Execution().matmul_precision)
    )


def _deviations(spec: RunSpec, execution: Execution) -> list[float]:
    """Return how far the losses are from the default path's, as shares of these."""
    losses = zip(_losses(spec, execution), _losses(spec, Execution()), strict=True)
    return [abs(loss - plain) / plain for loss, plain in losses]


@pytest.mark.parametrize("execution", [*PATHS, Execution("cpu", "bfloat16", 4)])
def test_how_it_is_computed_changes_losses_by_rounding_alone(execution: Execution) -> None:
    deviations = _deviations(_specs(steps=50)[0], execution)
    assert deviations[0] <= FIRST_LOSS * _error(execution)
    assert max(deviations) <= FIFTY_STEPS * _error(execution)


def test_bfloat16_products_are_told_from_exact_ones() -> None:
    """The negative twin: they break both bounds of float32's products."""
    exact = _error(Execution())
    seeds = [_specs(steps=50)[0].model_copy(update={"seed": seed}) for seed in range(3)]
    deviations = [_deviations(spec, Execution("cpu", "bfloat16", 4)) for spec in seeds]
    assert max(one[0] for one in deviations) > FIRST_LOSS * exact
    assert max(max(one) for one in deviations) > FIFTY_STEPS * exact


def test_bfloat16_products_end_within_the_spread_of_seeds() -> None:
    (spec,) = _specs(steps=50)[:1]
    seeds = [spec.model_copy(update={"seed": seed}) for seed in range(5)]
    exact = [_losses(one, Execution())[-1] for one in seeds]
    rounded = [_losses(one, Execution(matmul_precision="bfloat16"))[-1] for one in seeds]
    spread = statistics.stdev(exact)
    assert all(abs(a - b) < spread for a, b in zip(exact, rounded, strict=True))
    assert exact != rounded


def test_the_comparison_sees_a_single_bit() -> None:
    """The negative twin: a learning rate off by one part in 10⁷ is told apart."""
    (spec,) = _specs()[:1]
    nudged = spec.model_copy(update={"train": spec.train.model_copy(update={"lr": spec.train.lr * (1 + 1e-7)})})
    assert _records([spec]) != _records([nudged])


def test_a_lane_trains_as_its_own_gradients_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """vmap lays gradients out by the number of lanes; an optimizer that ignores strides must never see that.

    Without the copy into parameter order, one lane alone and among others must be seen to part.
    """
    specs = _specs(steps=3)[:4]
    right = _records(specs[:1])
    monkeypatch.setattr("initlab.engine.lane_model._match_strides", lambda gradients, parameters: gradients)
    assert _records(specs)[0] != right[0] or _records(specs[:1])[0] != right[0]


def test_gradients_of_matrices_come_match_strides_as_the_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they need no copy, not even once a lane has left."""
    copied: list[set[str]] = []
    match_strides = lane_model._match_strides

    def counted(gradients: Tensors, parameters: Tensors) -> Tensors:
        done = match_strides(gradients, parameters)
        copied.append({name for name in done if done[name] is not gradients[name] and name.startswith("blocks.")})
        return done

    monkeypatch.setattr(lane_model, "_match_strides", counted)
    specs = [*_specs(steps=1)[:1], *_specs(steps=3)[1:3]]
    _records(specs)
    assert copied == [set()] * 4
    monkeypatch.setattr(lane_model.LaneModel, "match_strides", lambda self, parameters: parameters)
    _records(specs)
    assert all(copied[4:]), "as they are drawn they would"


def test_probing_changes_no_loss() -> None:
    specs = _specs(steps=12)[:2]
    rarely = [s.model_copy(update={"train": s.train.model_copy(update={"probe_interval": 12})}) for s in specs]
    always = [s.model_copy(update={"train": s.train.model_copy(update={"probe_interval": 1})}) for s in specs]

    def metrics(records: dict[int, list[tuple[str, str]]]) -> list[str]:
        return [row for seed in (0, 1) for kind, row in records[seed] if kind == "metrics"]

    assert metrics(_records(rarely)) == metrics(_records(always))


def test_a_lane_that_diverges_is_frozen_and_flagged() -> None:
    specs = [
        spec.model_copy(update={"train": spec.train.model_copy(update={"lr": lr, "clip": 0.0, "weight_decay": 0.0})})
        for spec, lr in zip(_specs(steps=8)[:2], (1e-3, 1e30), strict=True)
    ]
    corpus = load_corpus("synthetic")
    summaries = {r.lane: r.row for r in Group(specs, [corpus] * 2).run() if r.kind == "summary"}
    assert not summaries[0]["diverged"]
    assert summaries[1]["diverged"]
    assert 0 < summaries[1]["diverged_at"] <= 8
    assert "not finite" in summaries[1]["reason"] or "nats" in summaries[1]["reason"]


def test_the_model_is_compared_with_itself_in_float64() -> None:
    """float32 losses follow float64's within float32's own accuracy over a few steps."""
    (spec,) = _specs(steps=5)[:1]
    double = spec.model_copy(update={"train": spec.train.model_copy(update={"precision": "float64"})})
    corpus = load_corpus("synthetic")

    def losses(one: RunSpec) -> list[float]:
        return [r.row["train_loss"] for r in Group([one], [corpus]).run() if r.kind == "metrics"]

    for single, exact in zip(losses(spec), losses(double), strict=True):
        assert single == pytest.approx(exact, rel=1e-5)
        assert single != exact


@pytest.mark.slow
@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_a_lane_depends_on_no_neighbour_either() -> None:
    specs, compiled = _specs(steps=20)[:4], Execution("cpu", "highest", 4, compiled=True)
    together = _records(specs, compiled)
    assert _records(specs[::-1], compiled) == together
    assert _records(specs[1:2], compiled)[1] == together[1]
    assert _records(specs[2:], compiled) == {seed: together[seed] for seed in (2, 3)}
