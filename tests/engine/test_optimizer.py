"""A lane's optimizer is torch's AdamW and clipping, spelled out here for one network without lanes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn

from initlab.engine.optimizer import GroupOptimizer, LaneByLane, LaneOptimizer, StackedOptimizer
from initlab.errors import InitlabError
from initlab.network.laws import ZEROS, Law
from initlab.network.slot_table import gpt_slots
from initlab.network.slots import Slot
from initlab.optimizers.rules import OPTIMIZERS, Scalar, State, optimizer
from initlab.spec.run import TrainSpec
from tests.networks import Tensors, random_tensors, tiny

DIMS = tiny(n_layer=1)
TRAIN = TrainSpec(lr=3e-3, weight_decay=0.1, eps=1e-3, clip=1.0, beta1=0.8, beta2=0.95)
RATES = (3e-3, 1e-3, 5e-4, 2e-3, 0.0, 1e-3)
Table = list[tuple[Slot, Law]]
Kind: TypeAlias = Callable[..., GroupOptimizer]

# float64: the fused kernel orders the same dozen operations differently, over six steps.
ROUNDING = 1e-13


def plain_table() -> Table:
    return [(slot, Law(dist=ZEROS)) for slot in gpt_slots(DIMS)]


def varied_table() -> Table:
    """Every factor away from 1 somewhere, and one slot frozen."""
    factors: dict[str, dict[str, Any]] = {
        "query": {"lr": 0.25},
        "key": {"wd": 4.0},
        "value": {"eps": 16.0},
        "ffn_up": {"lr": 0.5, "wd": 2.0, "eps": 0.5},
        "norm_gain": {"lr": 3.0, "wd": 5.0},
        "attn_out": {"train": False},
        "bias": {"wd": 0.0, "lr": 2.0},
    }
    return [(slot, Law(dist=ZEROS, **factors.get(slot.role, {}))) for slot in gpt_slots(DIMS)]


def gradients(step: int, size: float = 1.0) -> Tensors:
    return {name: x * size for name, x in random_tensors(DIMS, seed=100 + step, dtype=torch.float64).items()}


def lane(table: Table, train: TrainSpec, size: float = 1.0) -> tuple[Tensors, list[float]]:
    """Train a lane that is row 1 of stacked tensors; return its parameters and gradient norms."""
    stacked = {name: torch.stack([x, x, x]) for name, x in random_tensors(DIMS, dtype=torch.float64).items()}
    lane_optimizer = LaneOptimizer({name: x[1] for name, x in stacked.items()}, table, train)
    norms = []
    for step, rate in enumerate(RATES):
        norm = lane_optimizer.set_gradients(gradients(step, size))
        norms.append(float(norm))
        lane_optimizer.step(rate, norm)
    for name, x in random_tensors(DIMS, dtype=torch.float64).items():
        assert torch.equal(stacked[name][0], x), "a neighbour moved"
        assert torch.equal(stacked[name][2], x), "a neighbour moved"
    return {name: x[1] for name, x in stacked.items()}, norms


def reference(table: Table, train: TrainSpec, size: float = 1.0) -> tuple[Tensors, list[float]]:
    """AdamW (Loshchilov & Hutter, arXiv 1711.05101) with one parameter group a slot, and torch's clip_grad_norm_."""
    start = random_tensors(DIMS, dtype=torch.float64)
    parameters = {slot.name: nn.Parameter(start[slot.name].clone(), requires_grad=law.train) for slot, law in table}
    groups = [
        {
            "params": [parameters[slot.name]],
            "factor": law.lr,
            "eps": train.eps * law.eps,
            "weight_decay": train.weight_decay * law.wd if len(slot.shape) > 1 else 0.0,
        }
        for slot, law in table
        if law.train
    ]
    adamw = torch.optim.AdamW(groups, lr=train.lr, betas=(train.beta1, train.beta2), foreach=False, fused=False)
    trained = [parameters[slot.name] for slot, law in table if law.train]
    norms = []
    for step, rate in enumerate(RATES):
        for name, gradient in gradients(step, size).items():
            parameters[name].grad = gradient if parameters[name].requires_grad else None
        norms.append(
            float(torch.sqrt(sum(((p.grad**2).sum() for p in trained if p.grad is not None), torch.zeros(()))))
        )
        if train.clip:
            nn.utils.clip_grad_norm_(trained, train.clip)
        for group in adamw.param_groups:
            group["lr"] = rate * group["factor"]
        adamw.step()
    return {name: parameter.detach() for name, parameter in parameters.items()}, norms


def distance(a: Tensors, b: Tensors) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("size", [1e-3, 1.0], ids=["below the clip", "above the clip"])
@pytest.mark.parametrize("table", [plain_table(), varied_table()], ids=["plain", "varied"])
@pytest.mark.parametrize("fields", [{}, {"clip": 0.0}, {"weight_decay": 0.0}, {"clip": 0.03}])
def test_a_lane_moves_as_torchs_adamw(table: Table, size: float, fields: dict[str, Any]) -> None:
    train = TRAIN.model_copy(update=fields)
    (found, norms), (expected, reference_norms) = lane(table, train, size), reference(table, train, size)
    assert distance(found, expected) < ROUNDING
    assert norms == pytest.approx(reference_norms, rel=ROUNDING)


@pytest.mark.parametrize("key", ["lr", "wd", "eps"])
def test_every_factor_matters(key: str) -> None:
    # Negative twins: a table that differs in one factor of one matrix must not pass for the other.
    table = plain_table()
    changed: dict[str, Any] = {key: 2.0}
    other = [(slot, Law(dist=law.dist, **changed) if slot.role == "query" else law) for slot, law in table]
    found, _ = lane(other, TRAIN)
    expected, _ = reference(table, TRAIN)
    moved = {name for name in found if float((found[name] - expected[name]).abs().max()) > ROUNDING}
    assert moved == {"blocks.0.query.weight"}


@pytest.mark.parametrize(
    "fields", [{"clip": 0.0}, {"clip": 2.0}, {"weight_decay": 0.0}, {"beta1": 0.9}, {"beta2": 0.99}, {"eps": 1e-8}]
)
def test_every_setting_matters(fields: dict[str, Any]) -> None:
    found, _ = lane(plain_table(), TRAIN.model_copy(update=fields))
    expected, _ = reference(plain_table(), TRAIN)
    assert distance(found, expected) > 1e6 * ROUNDING


def zero_gradients() -> Tensors:
    return {name: torch.zeros_like(x) for name, x in gradients(0).items()}


def test_only_tensors_of_two_dimensions_decay() -> None:
    start = random_tensors(DIMS, dtype=torch.float64)
    parameters = {name: x.clone() for name, x in start.items()}
    lane_optimizer = LaneOptimizer(parameters, plain_table(), TRAIN)
    # Without a gradient AdamW only decays: x·(1 − lr·wd).
    lane_optimizer.step(0.5, lane_optimizer.set_gradients(zero_gradients()))
    for slot in gpt_slots(DIMS):
        kept = 0.95 if len(slot.shape) == 2 else 1.0
        assert torch.allclose(parameters[slot.name], start[slot.name] * kept, rtol=1e-15, atol=0)


def test_a_frozen_slot_neither_moves_nor_counts_in_the_norm() -> None:
    table = varied_table()
    found, norms = lane(table, TRAIN)
    frozen = "blocks.0.attn_out.weight"
    assert torch.equal(found[frozen], random_tensors(DIMS, dtype=torch.float64)[frozen])
    everything = torch.sqrt(sum(((x**2).sum() for x in gradients(0).values()), torch.zeros(())))
    without = torch.sqrt(everything**2 - (gradients(0)[frozen] ** 2).sum())
    assert norms[0] == pytest.approx(float(without), rel=ROUNDING)
    assert norms[0] < float(everything) * 0.999


def test_a_rate_of_zero_moves_nothing() -> None:
    parameters = random_tensors(DIMS)
    lane_optimizer = LaneOptimizer(parameters, plain_table(), TRAIN)
    lane_optimizer.step(0.0, lane_optimizer.set_gradients(random_tensors(DIMS, seed=1)))
    assert all(torch.equal(parameters[name], x) for name, x in random_tensors(DIMS).items())


def clipped(norm: float) -> Tensor:
    """Return one gradient entry after clipping to 1, of a network whose gradients have this norm."""
    parameters, one = random_tensors(DIMS, dtype=torch.float64), gradients(0)
    total = torch.sqrt(sum(((x**2).sum() for x in one.values()), torch.zeros(())))
    one = {name: x * (norm / total) for name, x in one.items()}
    before = one["position_embedding.weight"][0, 0].clone()
    lane_optimizer = LaneOptimizer(parameters, plain_table(), TRAIN)
    lane_optimizer.step(0.0, lane_optimizer.set_gradients(one))
    return one["position_embedding.weight"][0, 0] / before


def test_clipping_shortens_long_gradients_and_leaves_short_ones() -> None:
    # torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6.
    assert float(clipped(4.0)) == pytest.approx(1 / (4 + 1e-6), rel=1e-12)
    assert float(clipped(0.5)) == 1.0


def test_gradients_in_another_memory_layout_would_be_misread() -> None:
    # Why LaneModel lays gradients out: torch's fused AdamW on a CPU walks memory, whatever the strides say. If
    # this starts to fail, torch has mended it and LaneModel may stop copying.
    weight, gradient = torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).t()
    parameter = nn.Parameter(weight)
    parameter.grad = gradient
    torch.optim.AdamW([parameter], lr=1.0, weight_decay=0.0, fused=True).step()
    assert not torch.equal(parameter.detach().sign(), -gradient.sign())


TRAINS = [
    TRAIN,
    TRAIN.model_copy(update={"clip": 0.0, "beta1": 0.5, "eps": 1e-6}),
    TRAIN.model_copy(update={"clip": 0.01, "weight_decay": 0.0, "beta2": 0.5}),
]


def stacks() -> Tensors:
    lanes = [random_tensors(DIMS, seed=seed, dtype=torch.float64) for seed in range(3)]
    return {name: torch.stack([lane[name] for lane in lanes]) for name in lanes[0]}


def trained(kind: Kind, trains: list[TrainSpec]) -> tuple[Tensors, Tensors]:
    """Train three lanes with laws and settings of their own; the second one leaves on the way."""
    parameters = stacks()
    moved = kind(parameters, [plain_table(), varied_table(), varied_table()], trains)
    lost: Tensors = {}
    for step, rate in enumerate(RATES):
        if step == 3:
            lost = {name: stack[1].clone() for name, stack in parameters.items()}
            parameters = {name: stack[[0, 2]] for name, stack in parameters.items()}
            moved.select_lanes([0, 2], parameters)
        lanes = (0, 1, 2) if step < 3 else (0, 2)
        moved.set_gradients(
            {name: torch.stack([g * (1 + lane) for lane in lanes]) for name, g in gradients(step).items()}
        )
        moved.step([rate * (1 + lane) for lane in lanes])
    return parameters, lost


def with_optimizer(name: str) -> list[TrainSpec]:
    return [train.model_copy(update={"optimizer": name}) for train in TRAINS]


@pytest.mark.parametrize("name", ["adamw", "sgd", "restless", "restless:pull=0.5"])
def test_one_update_of_the_stacks_is_every_lanes_own(name: str) -> None:
    trains = with_optimizer(name)
    (found, lost), (expected, gone) = trained(StackedOptimizer, trains), trained(LaneByLane, trains)
    assert distance(found, expected) < ROUNDING
    assert distance(lost, gone) < ROUNDING
    other, _ = trained(StackedOptimizer, trains[::-1])
    assert distance(other, expected) > 1e6 * ROUNDING


@dataclass(frozen=True, kw_only=True)
class Restless:
    beta1: Scalar
    eps: Scalar
    weight_decay: Scalar
    pull: float = 0.25


def restless(parameter: Tensor, gradient: Tensor, state: State, settings: Restless, lr: Scalar, step: int) -> None:
    """θ ← θ - lr·m - pull·(weight_decay + eps)·θ/t: a rule of nobody's, which moves at a rate of 0 too."""
    mean = state["mean"]
    mean.mul_(settings.beta1).add_(gradient)
    parameter.sub_(lr * mean + settings.pull * (settings.weight_decay + settings.eps) / step * parameter)


@pytest.fixture(autouse=True)
def _an_optimizer_of_nobodys() -> Iterator[None]:
    with OPTIMIZERS.isolated():
        optimizer("restless", settings=Restless, source="a test", buffers=("mean",))(restless)
        yield


BOTH = pytest.mark.parametrize("kind", [StackedOptimizer, LaneByLane])


def stepped(kind: Kind, table: Table, name: str, rates: Sequence[float | None], size: float = 1.0) -> Tensors:
    """Return three lanes' parameters after one step of any optimizer, clipped at 1, 0 and 0.01."""
    parameters = stacks()
    moved = kind(parameters, [table] * 3, with_optimizer(name))
    moved.set_gradients({key: torch.stack([g * size] * 3) for key, g in gradients(0).items()})
    moved.step(rates)
    return parameters


@BOTH
def test_any_rule_has_clipping_and_the_factors_of_laws_and_decay_groups(kind: Kind) -> None:
    found, start = stepped(kind, varied_table(), "restless:pull=0.5", [1e-3, 2e-3, 3e-3]), stacks()
    moving = [gradients(0)[slot.name] for slot, law in varied_table() if law.train]
    norm = torch.sqrt(torch.stack([g.square().sum() for g in moving]).sum())
    shares = [1 / float(norm + 1e-6), 1.0, 0.01 / float(norm + 1e-6)]
    assert norm > 1, "the first lane is clipped too"
    for slot, law in varied_table():
        for lane, (train, rate, share) in enumerate(zip(TRAINS, (1e-3, 2e-3, 3e-3), shares, strict=True)):
            decay = train.weight_decay * law.wd if len(slot.shape) == 2 else 0.0
            before, own = start[slot.name][lane], gradients(0)[slot.name] * share
            after = before - rate * law.lr * own - 0.5 * (decay + train.eps * law.eps) * before
            expected = after if law.train else before
            assert float((found[slot.name][lane] - expected).abs().max()) < ROUNDING, (slot.name, lane)


@BOTH
@pytest.mark.parametrize("name", ["adamw", "restless"])
def test_a_lane_without_a_rate_stays_whatever_the_rule_and_its_gradient(kind: Kind, name: str) -> None:
    start = stacks()
    for size in (1.0, math.inf):
        found = stepped(kind, plain_table(), name, [1e-3, None, 1e-3], size)
        assert distance({n: x[1] for n, x in found.items()}, {n: x[1] for n, x in start.items()}) == 0
    found = stepped(kind, plain_table(), name, [1e-3, None, 1e-3])
    assert distance({n: x[0] for n, x in found.items()}, {n: x[0] for n, x in start.items()}) > 0


@BOTH
def test_a_frozen_slot_stays_whatever_the_rule(kind: Kind) -> None:
    found, start = stepped(kind, varied_table(), "restless", [1e-3] * 3), stacks()
    still = {name for name in found if torch.equal(found[name], start[name])}
    assert still == {slot.name for slot, law in varied_table() if not law.train}


@BOTH
def test_an_optimizer_that_does_not_exist_is_named(kind: Kind) -> None:
    with pytest.raises(InitlabError, match="unknown optimizer 'adamv'; did you mean 'adamw'"):
        kind(stacks(), [plain_table()] * 3, with_optimizer("adamv"))


def test_norms_of_the_stacks_are_every_lanes_own() -> None:
    tables, both = [plain_table(), varied_table(), plain_table()], []
    for kind in (StackedOptimizer, LaneByLane):
        own = {name: torch.stack([g, 2 * g, 3 * g]) for name, g in gradients(0).items()}
        both.append(kind(stacks(), tables, TRAINS).set_gradients(own).tolist())
    assert both[0] == pytest.approx(both[1], rel=ROUNDING)
    assert both[0][1] < 2 * both[0][0] * 0.999, "what is frozen does not count"
