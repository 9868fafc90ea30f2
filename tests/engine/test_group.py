"""What a group of lanes yields. That lanes of plain inits are independent is in ``test_lanes``.

Bit-identity holds for one thread and for widths whose entries fill whole vector registers, as these do: torch
computes what is left over at the end of a tensor with other instructions, and where the end lies depends on the
number of lanes.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch

from initlab.data.batches import draw_batch
from initlab.data.corpus import Corpus
from initlab.engine.group import DIVERGED_NATS, TRAIN_LOSS_WINDOW, Group, summarise
from initlab.engine.schedule import learning_rate
from initlab.inits.catalogue import INITS, resolve
from initlab.inits.compose import normal
from initlab.inits.draw import draw_all
from initlab.inits.strategy import InitEntry, Strategy
from initlab.model.gpt import GPT
from initlab.network.laws import Law, scale
from initlab.network.slots import Slot
from initlab.probes.reductions import second_moment
from initlab.spec.run import DataSpec, ModelSpec, RunSpec, TrainSpec
from tests.networks import network, started

VOCAB = 32
MODEL: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 16}
TRAIN: dict[str, Any] = {"steps": 10, "batch_size": 4, "eval_interval": 4, "eval_batches": 2}
STREAM = ("residual_ms", "residual_var", "token_cosine", "grad_rms")
PROBED = (*STREAM, "attn_logit_max", "attn_entropy", "attn_ms", "dead_units", "mlp_ms", "weight_grad_rms")
UPDATES = {f"update_ratio_{role}" for role in ("query", "key", "value", "attn_out", "ffn_up", "ffn_down")}
TERMS = 3 * (2 * (32 + 16 + 16 + 32 + 32 + 128) + 32)
"""Terms of the longest chain of sums in one step: the products of two layers and the head, forward and twice as many
backward. A sum of n terms errs by at most n·eps of their sizes, and by √n·eps typically: n leaves room for signs."""

FLOAT32, FLOAT64 = (TERMS * torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64))

Rows = dict[str, list[dict[str, Any]]]
"""One lane's rows by kind."""


def corpus(seed: int = 0, **known: Any) -> Corpus:
    tokens = np.random.Generator(np.random.Philox(seed)).integers(0, VOCAB, 2000).astype(np.uint16)
    return Corpus.of("noise", (tokens[:1500], tokens[1500:]), tokenizer="ids", vocab_size=VOCAB, **known)


CORPUS = corpus(entropy_rate=math.log(VOCAB), floor_of=lambda block_size: math.log(VOCAB) + 1 / block_size)


def spec(*, model: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **fields: Any) -> RunSpec:
    model_spec, train_spec = ModelSpec(**{**MODEL, **(model or {})}), TrainSpec(**{**TRAIN, **(train or {})})
    return RunSpec(model=model_spec, train=train_spec, **fields)


def trained(specs: Sequence[RunSpec], corpora: Sequence[Corpus] | None = None) -> list[Rows]:
    lanes: list[Rows] = [defaultdict(list) for _ in specs]
    for record in Group(specs, corpora or [CORPUS] * len(specs)).run():
        lanes[record.lane][record.kind].append(record.row)
    return lanes


def alone(one: RunSpec, text: Corpus = CORPUS) -> Rows:
    return trained([one], [text])[0]


def text_of(rows: Rows) -> str:
    """Rows as text, so that NaN equals NaN and nothing else is forgiven."""
    return repr(sorted(rows.items()))


def column(rows: Rows, key: str) -> list[float]:
    return [row[key] for row in rows["metrics"]]


def abc_init(*, mult: float, draw: float, lr: float, wd: float, eps: float) -> Callable[[], Strategy]:
    """gpt2 whose every slot is stored ``draw`` times as large, multiplied by ``mult``, with these factors."""
    plain = normal(0.02)

    def law(slot: Slot) -> Law | None:
        found = plain(slot)
        return found and Law(dist=scale(found.dist, draw), mult=mult, lr=lr, wd=wd, eps=eps)

    def build() -> Strategy:
        """An init for tests."""
        return Strategy(law)

    return build


def frozen_head() -> Strategy:
    """Nothing but the embeddings moves, and the queries are multiplied."""
    plain = normal(0.02)

    def law(slot: Slot) -> Law | None:
        found = plain(slot)
        if found is None:
            return None
        return Law(dist=found.dist, train=slot.is_embedding, mult=3.0 if slot.role == "query" else 1.0)

    return Strategy(law)


def reparametrised(c: float, **broken: float) -> dict[str, float]:
    """Return the factors under which nothing changes, those named in ``broken`` left alone."""
    return {"mult": c, "draw": 1 / c, "lr": 1 / c, "wd": c, "eps": c, **broken}


LEFT_ALONE = ("lr", "wd", "eps")
ABC: dict[str, dict[str, float]] = {"abc": reparametrised(4.0), "abc-quarter": reparametrised(0.25)} | {
    f"{name}-without-{factor}": reparametrised(c, **{factor: 1.0})
    for name, c in (("abc", 4.0), ("abc-quarter", 0.25))
    for factor in LEFT_ALONE
}


@pytest.fixture(autouse=True)
def inits_for_tests() -> Iterator[None]:
    with ExitStack() as stack:
        for name, factors in ABC.items():
            stack.enter_context(INITS.temporarily(name, InitEntry(abc_init(**factors), "test_group")))
        stack.enter_context(INITS.temporarily("frozen-head", InitEntry(frozen_head, "test_group")))
        yield


def test_lanes_with_multipliers_factors_and_corpora_of_their_own_are_independent() -> None:
    common: dict[str, Any] = {"steps": 50, "eval_interval": 25}
    model = {"dropout": 0.1}
    specs = [
        spec(model=model, train={**common, "lr": 3e-3, "warmup": 10}, init="abc", seed=0),
        spec(model=model, train={**common, "decay_steps": 20, "clip": 0.05}, init="frozen-head", seed=1),
        spec(model=model, train={**common, "schedule": "constant", "eps": 1e-4}, init="depth-scaled", seed=0),
        spec(model=model, train={**common, "beta1": 0.5}, init="pytorch", data=DataSpec(seed=9), seed=2**62),
        spec(model=model, train={**common, "weight_decay": 0.0, "min_lr": 0.0}, init="gpt2", seed=4),
    ]
    corpora = [corpus(number) for number in (0, 1, 0, 2, 3)]
    single = [text_of(alone(one, text)) for one, text in zip(specs, corpora, strict=True)]
    for order in ([0, 1, 2, 3, 4], [4, 0, 2]):
        together = trained([specs[lane] for lane in order], [corpora[lane] for lane in order])
        assert [text_of(rows) for rows in together] == [single[lane] for lane in order]
    assert len(set(single)) == len(single)


def test_records_and_their_fields() -> None:
    rows = alone(spec())
    assert [row["step"] for row in rows["metrics"]] == list(range(11))
    assert [row["step"] for row in rows["layers"]] == [0, 1, 2, 5, 10]
    assert len(rows["summary"]) == 1
    assert [row["step"] for row in rows["metrics"] if "val_loss" in row] == [0, 4, 8, 10]
    assert [row["step"] for row in rows["metrics"] if "lr" not in row] == [10]  # the last batch is only read
    sites = {name: 5 if name in STREAM else 2 for name in PROBED}
    for row in rows["layers"]:
        assert {name: len(row[name]) for name in PROBED} == sites
        assert isinstance(row["logit_var"], float)
        updates = UPDATES if row["step"] else set()  # nothing was updated before the first step
        assert row.keys() == {"step", "loss", "logit_var", *PROBED, *updates}
        assert {len(row[name]) for name in updates} <= {2}


def test_a_group_ends_with_one_summary_a_lane() -> None:
    records = list(Group([spec(seed=seed, train={"steps": 2}) for seed in range(3)], [CORPUS] * 3).run())
    assert [(record.kind, record.lane) for record in records[-3:]] == [("summary", lane) for lane in range(3)]
    assert "summary" not in {record.kind for record in records[:-3]}


def test_rows_follow_the_schedule_and_the_losses_of_the_probes() -> None:
    one = spec(train={"warmup": 3, "lr": 2e-3})
    rows = alone(one)
    assert column({"metrics": rows["metrics"][:-1]}, "lr") == [learning_rate(step, one.train) for step in range(10)]
    losses = {row["step"]: row["train_loss"] for row in rows["metrics"]}
    assert [row["loss"] for row in rows["layers"]] == [losses[row["step"]] for row in rows["layers"]]


def test_summary_says_what_the_rows_say() -> None:
    one = spec(train={"steps": 30})
    rows = alone(one)
    (summary,) = rows["summary"]
    losses = column(rows, "train_loss")
    profile = rows["layers"][0]["residual_ms"]
    assert summary == {
        "diverged": False,
        "diverged_at": None,
        "reason": None,
        "steps": 30,
        # The mean over the last batches that were trained on: steps 10 to 29.
        "train_loss": pytest.approx(sum(losses[10:30]) / TRAIN_LOSS_WINDOW, rel=1e-15),
        "val_loss": rows["metrics"][-1]["val_loss"],
        "initial_loss": losses[0],
        "uniform_loss": math.log(VOCAB),
        "entropy_rate": math.log(VOCAB),
        "entropy_floor": math.log(VOCAB) + 1 / 16,
        "residual_ms": [profile[0], profile[2], profile[4]],  # after the embedding and each block, not between
        "growth": profile[4] / profile[0],
    }


def initial_network(one: RunSpec) -> GPT:
    dims, dtype = one.model.dims(VOCAB), {"float32": torch.float32, "float64": torch.float64}[one.train.precision]
    return network(dims, draw_all(resolve(one.init).blueprint(dims), seed=one.seed, dtype=dtype))


def test_the_first_row_is_the_drawn_network_on_the_first_batch() -> None:
    one = spec(train={"precision": "float64"}, seed=3)
    rows = alone(one)
    model = initial_network(one)
    drawn = draw_batch(CORPUS.train, block_size=16, batch_size=4, seed=3, split="train", step=0)
    seen: list[float] = []

    def tap(place: str, x: torch.Tensor) -> torch.Tensor:
        if place == "residual":
            seen.append(float(second_moment(x.detach())))
        return x

    loss = model(*(torch.from_numpy(part) for part in drawn), tap=tap)[1]
    assert rows["metrics"][0]["train_loss"] == pytest.approx(float(loss.detach()), rel=FLOAT64)
    assert rows["layers"][0]["residual_ms"] == pytest.approx(seen, rel=FLOAT64)
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    assert rows["metrics"][0]["grad_norm"] == pytest.approx(norm, rel=FLOAT64)
    for layer in range(2):
        own = [p.grad for p in model.blocks[layer].parameters() if p.grad is not None]
        mean_square = sum(float(g.square().sum()) for g in own) / sum(g.numel() for g in own)
        assert rows["layers"][0]["weight_grad_rms"][layer] == pytest.approx(math.sqrt(mean_square), rel=FLOAT64)


def test_validation_batches_are_the_same_whatever_the_seed() -> None:
    lanes = trained([spec(seed=1, data=DataSpec(seed=seed)) for seed in (0, 1, 2)])
    assert len({rows["metrics"][0]["val_loss"] for rows in lanes}) == 1
    assert len({rows["metrics"][0]["train_loss"] for rows in lanes}) == 3  # while training batches differ
    drawn = [draw_batch(CORPUS.val, block_size=16, batch_size=4, seed=0, split="val", step=n) for n in range(2)]
    model = initial_network(spec(seed=1))
    with torch.no_grad():
        losses = [float(model(torch.from_numpy(x), torch.from_numpy(y))[1]) for x, y in drawn]
    assert lanes[0]["metrics"][0]["val_loss"] == pytest.approx(sum(losses) / 2, rel=FLOAT32)


def test_validation_drops_nothing() -> None:
    plain, dropped = (alone(spec(model={"dropout": p}))["metrics"][0] for p in (0.0, 0.5))
    assert plain["val_loss"] == dropped["val_loss"]
    assert plain["train_loss"] != dropped["train_loss"]


def test_dropout_differs_from_step_to_step_and_seed_to_seed() -> None:
    constant = Corpus.of(
        "one letter", (np.zeros(100, np.uint16), np.zeros(100, np.uint16)), tokenizer="ids", vocab_size=VOCAB
    )
    # No rate, so no movement: every batch is the same text, and losses differ by their masks alone.
    still = {"lr": 1e-30, "min_lr": 0.0, "weight_decay": 0.0, "steps": 4}
    without = alone(spec(train=still), constant)
    masked = alone(spec(train=still, model={"dropout": 0.5}), constant)
    assert len(set(column(without, "train_loss"))) == 1
    assert len(set(column(masked, "train_loss"))) == 5


def test_probing_more_often_changes_nothing_else() -> None:
    often, rarely = (alone(spec(model={"dropout": 0.1}, train={"probe_interval": every})) for every in (1, 10))
    assert len(often["layers"]) == 11
    assert len(rarely["layers"]) == 2
    assert often["metrics"] == rarely["metrics"]
    assert often["summary"] == rarely["summary"]
    assert [often["layers"][0], often["layers"][10]] == rarely["layers"]


def test_no_global_generator_is_read_or_moved() -> None:
    one = spec(model={"dropout": 0.1}, train={"steps": 2})
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = text_of(alone(one))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert text_of(alone(one)) == first


@pytest.mark.parametrize(
    ("init", "train", "when"),
    [
        ("gpt2", {"lr": 1e6, "clip": 0.0}, 1),  # one step of a million, and attention scores overflow
        ("gpt2:std=1e20", {}, 0),  # 1e20² is beyond float32's 3e38: nothing is finite from the start
        ("abc", {"lr": 1e6, "clip": 0.0}, 1),
    ],
)
def test_a_lane_that_is_no_longer_finite_leaves_and_disturbs_nobody(
    init: str, train: dict[str, Any], when: int
) -> None:
    healthy = [spec(seed=seed, init=name) for seed, name in ((0, "gpt2"), (1, "depth-scaled"))]
    broken = spec(seed=5, init=init, train=train)
    group = Group([healthy[0], broken, healthy[1]], [CORPUS] * 3)
    lanes: list[Rows] = [defaultdict(list) for _ in range(3)]
    widths: set[int] = set()
    for record in group.run():
        lanes[record.lane][record.kind].append(record.row)
        if record.kind == "metrics" and record.row["step"] > when:
            widths |= {x.shape[0] for x in group._parameters.values()}
    for lane, one in ((0, healthy[0]), (2, healthy[1])):
        assert text_of(lanes[lane]) == text_of(alone(one))
    assert text_of(lanes[1]) == text_of(alone(broken))
    (summary,) = lanes[1]["summary"]
    assert (summary["diverged"], summary["diverged_at"], summary["steps"]) == (True, when, when)
    assert summary["reason"] == f"the loss or its gradient was not finite at step {when}"
    assert [row["step"] for row in lanes[1]["metrics"]] == list(range(when + 1))  # nothing is logged of a dead lane
    assert "lr" not in lanes[1]["metrics"][-1]
    assert widths == {2}, "a lane that has diverged costs nothing any more"


def test_lanes_of_different_length_share_a_group() -> None:
    specs = [spec(seed=seed, train={"steps": steps}) for seed, steps in ((0, 7), (1, 0), (2, 10), (3, 7))]
    together = trained(specs)
    assert [text_of(rows) for rows in together] == [text_of(alone(one)) for one in specs]
    assert [rows["metrics"][-1]["step"] for rows in together] == [7, 0, 10, 7]
    assert [rows["summary"][0]["steps"] for rows in together] == [7, 0, 10, 7]
    assert "val_loss" in together[0]["metrics"][-1]
    assert [row["step"] for row in together[0]["layers"]] == [0, 1, 2, 5, 7]


def test_a_group_stops_when_no_lane_is_left() -> None:
    broken = [spec(seed=seed, init="gpt2:std=1e20", train={"steps": 1000}) for seed in (0, 1)]
    for rows in trained(broken):
        assert len(rows["metrics"]) == 1
        assert rows["summary"][0]["diverged_at"] == 0


def test_a_finite_run_that_ends_far_above_its_beginning_has_diverged() -> None:
    rows = alone(spec(train={"lr": 10.0, "schedule": "constant"}))
    (summary,) = rows["summary"]
    assert math.isfinite(summary["train_loss"])
    assert summary["train_loss"] > max(summary["initial_loss"], math.log(VOCAB)) + DIVERGED_NATS
    assert (summary["diverged"], summary["diverged_at"], summary["steps"]) == (True, 10, 10)
    assert summary["reason"].startswith(f"ended at {summary['train_loss']:.2f} nats, more than 1 above")
    assert len(rows["metrics"]) == 11  # it was trained to its end


@pytest.mark.parametrize(
    ("initial", "last", "diverged"),
    [
        (4.0, 4.9, False),
        (4.0, 5.1, True),
        (20.0, 20.9, False),  # began badly, ended as badly
        (20.0, 21.1, True),
        (2.0, math.log(VOCAB) + 0.9, False),  # above its beginning, but hardly worse than a guess
        (2.0, math.log(VOCAB) + 1.1, True),
    ],
)
def test_where_divergence_begins(initial: float, last: float, diverged: bool) -> None:
    group = Group([spec(train={"steps": 40})], [CORPUS])
    (lane,) = group._lanes
    lane.losses = [initial, *([3.0] * 19), *([last] * 20), 99.0]  # the last batch was only read
    lane.residual_ms = [1.0, 2.0]
    summary = summarise(lane, group.dims)
    assert summary["train_loss"] == pytest.approx(last)
    assert summary["diverged"] == diverged
    assert summary["diverged_at"] == (40 if diverged else None)
    assert summary["steps"] == 40


def test_no_steps_is_a_probe_at_init() -> None:
    one = spec(train={"steps": 0})
    rows = alone(one)
    assert [row["step"] for row in rows["layers"]] == [0]
    assert [row.keys() for row in rows["metrics"]] == [{"step", "train_loss", "grad_norm"}]
    (summary,) = rows["summary"]
    assert (summary["steps"], summary["diverged"], summary["val_loss"]) == (0, False, None)
    assert summary["train_loss"] == summary["initial_loss"] == rows["metrics"][0]["train_loss"]
    trained_first = alone(spec(train={"steps": 1}))["layers"][0]
    assert rows["layers"][0] == trained_first


def test_a_network_of_zeros_has_no_growth() -> None:
    (summary,) = alone(spec(init="gpt2:std=0", train={"steps": 0}))["summary"]
    assert summary["growth"] is None
    # Equal logits: the uniform guess, up to a few roundings of float32.
    assert summary["initial_loss"] == pytest.approx(math.log(VOCAB), rel=4 * torch.finfo(torch.float32).eps)


def test_float64_agrees_to_the_accuracy_of_float32() -> None:
    single, double = (alone(spec(train={"precision": p, "steps": 0})) for p in ("float32", "float64"))
    for name in ("residual_ms", "attn_ms", "mlp_ms", "grad_rms", "weight_grad_rms"):
        assert single["layers"][0][name] == pytest.approx(double["layers"][0][name], rel=FLOAT32)
        assert single["layers"][0][name] != double["layers"][0][name]
    assert single["metrics"][0]["train_loss"] == pytest.approx(double["metrics"][0]["train_loss"], rel=FLOAT32)
    # Negative twin: arithmetic in bfloat16, which rounds by 2⁻⁹ at every step, is far outside.
    assert FLOAT32 < 2**-9 / 5


def test_abc_invariance_holds_along_the_whole_trajectory() -> None:
    # Multiply the multiplier by c, divide std and lr by c, multiply eps and wd by c: the same function and the
    # same Adam steps (Yang & Hu, arXiv 2011.14522). c is a power of two, so the same bits; clipping is off, for
    # the norm of the stored weights' gradients is another.
    train = {"steps": 20, "clip": 0.0, "eps": 1e-4, "lr": 1e-2, "precision": "float64"}
    plain, *rest = trained([spec(train=train, init=name) for name in ("gpt2", *ABC)])
    lanes = dict(zip(ABC, rest, strict=True))
    assert len(plain["metrics"]) == 21
    for name in ("abc", "abc-quarter"):
        assert column(lanes.pop(name), "train_loss") == column(plain, "train_loss")
    assert len(lanes) == 2 * len(LEFT_ALONE)
    for rows in lanes.values():
        assert rows["metrics"][0]["train_loss"] == plain["metrics"][0]["train_loss"]
        # 1e-6 is far above float64's rounding and far below what leaving a factor out does (1e-5 or more).
        assert abs(rows["metrics"][-1]["train_loss"] - plain["metrics"][-1]["train_loss"]) > 1e-6


def test_an_init_that_starts_from_data_sees_the_lanes_own_first_batch() -> None:
    for seed, text in ((0, CORPUS), (1, corpus(5))):
        one = spec(init="lsuv", seed=seed)
        group = Group([spec(init="lsuv", seed=7), one], [CORPUS, text])
        first = draw_batch(text.train, block_size=16, batch_size=4, seed=seed, split="train", step=0)[0]
        blueprint = resolve("lsuv").blueprint(one.model.dims(VOCAB))
        expected = started(blueprint, seed=seed, tokens=torch.from_numpy(first))
        assert all(torch.equal(group._parameters[name][1], tensor) for name, tensor in expected.items())
        other = started(blueprint, seed=seed)  # on another batch
        assert not torch.equal(other["blocks.0.query.weight"], expected["blocks.0.query.weight"])


def test_a_frozen_slot_stays_as_drawn_and_the_rest_moves() -> None:
    group = Group([spec(init="frozen-head", train={"steps": 2})], [CORPUS])
    before = {name: x.clone() for name, x in group._parameters.items()}
    rows = [record.row for record in group.run() if record.kind == "layers"]
    moved = {name for name, x in group._parameters.items() if not torch.equal(x, before[name])}
    assert moved == {"token_embedding.weight", "position_embedding.weight"}
    assert {value for row in rows for value in row["weight_grad_rms"]} == {0.0}  # nothing in a block moves


def test_gradients_of_what_does_not_move_are_not_counted() -> None:
    still, beside = trained([spec(init="frozen-head"), spec(init="gpt2")])
    assert still["layers"][0]["weight_grad_rms"] == [0.0, 0.0]  # though its neighbour's weights do move
    assert min(beside["layers"][0]["weight_grad_rms"]) > 0


def test_training_learns_what_there_is_to_learn() -> None:
    cycle = (np.arange(2000) % VOCAB).astype(np.uint16)
    periodic = Corpus.of("cycle", (cycle[:1500], cycle[1500:]), tokenizer="ids", vocab_size=VOCAB)
    one = spec(train={"steps": 60, "lr": 1e-2})
    assert alone(one, periodic)["summary"][0]["val_loss"] < 0.5  # the next token is certain
    assert alone(one)["summary"][0]["val_loss"] > math.log(VOCAB) - 0.1  # noise has nothing to learn
