"""Coordinate checks of the inits that promise one: what neither width nor depth changes, and what it does change.

Synthetic text, default AdamW but for a constant rate and no clipping (the gradient's norm depends on width and depth:
clipping would act at some sizes alone).

**Width.** Widths from 64 to 512 with heads of one size, as people scale models, from a base of the smallest. Left out
are logits, attention logits and the queries and keys that these are products of: μP promises their updates, not their
sizes, since queries and head start at zero.

What flatness costs: the update of a matrix meets an input x as Σ sign(Σ_t δ(t) x(t))·x, which is of order d over the
root of the number of tokens t where tokens share a direction, with noise of order √d: below a width of about the
number of tokens the noise is not small. Under ``mup``, whose zero head makes the first update all there is, slopes of
-0.2 to -0.5 came out at 512 tokens a batch between widths 64 and 512, flattening towards 2048; hence 16 tokens. And
what little signal 16 tokens hold scatters: a seed's slope has a standard deviation of .14 to .2, its mean over 32
seeds .03. ``u-mup`` starts from order one everywhere and scatters ten times less.

**Depth.** The change of the last residual stream, in front of the final norm, from a base of two layers.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from initlab.data.load import load_corpus
from initlab.engine.coordinates import Coordinates, coordinates
from initlab.inits.catalogue import INITS, resolve
from initlab.inits.strategy import InitEntry, Strategy
from initlab.laws import Law, Slot
from initlab.spec import ModelSpec, RunSpec, TrainSpec
from initlab.stats import log_log_slope

LIMIT = 0.1
WIDTHS, DEPTHS = (64, 128, 256, 512), (2, 4, 8, 16, 32)
LANES = 16
HIDDEN = ("residual", "value", "attn_branch", "ffn_up", "mlp_branch")

pytestmark = pytest.mark.usefixtures("one_thread")
Lane = dict[str, Coordinates]


def without_its_learning_rates(name: str) -> Callable[[], Strategy]:
    """Return an init that starts as ``name`` does and moves every slot at the trainer's rate."""

    def build() -> Strategy:
        """An init for tests."""
        strategy = resolve(name).strategy

        def law(slot: Slot) -> Law | None:
            found = strategy.law(slot)
            return found and replace(found, lr=1.0, wd=1.0)

        return replace(strategy, law=law)

    return build


@pytest.fixture(autouse=True)
def mutants() -> Iterator[None]:
    with (
        INITS.temporarily("mup-without-lr", InitEntry(without_its_learning_rates("mup"), "test_coordinates")),
        INITS.temporarily("u-mup-without-lr", InitEntry(without_its_learning_rates("u-mup"), "test_coordinates")),
    ):
        yield


def trained(init: str, seeds: int, lr: float, model: dict[str, Any], train: dict[str, Any]) -> list[Lane]:
    """Return the coordinates of every seed after five steps."""
    shape = ModelSpec(**model, base_n_embd=WIDTHS[0], base_n_layer=DEPTHS[0])
    recipe = TrainSpec(steps=5, lr=lr, schedule="constant", clip=0.0, eval_batches=1, **train)
    specs = [RunSpec(model=shape, train=recipe, init=init, seed=seed) for seed in range(seeds)]
    corpus = load_corpus("synthetic")
    chunks = [specs[i : i + LANES] for i in range(0, seeds, LANES)]
    return [lane for chunk in chunks for lane in coordinates(chunk, [corpus] * len(chunk))]


def slope_over(sizes: tuple[int, ...], values: list[list[float]]) -> float:
    """Return the slope of ``values``, one list over seeds a size; the mean of the seeds' own slopes."""
    seeds = len(values[0])
    found = log_log_slope([size for size in sizes for _ in range(seeds)], [value for row in values for value in row])
    assert found is not None
    return found.value


@lru_cache
def widened(init: str, seeds: int, n_head: int | None) -> list[list[Lane]]:
    """Return every width's lanes after five AdamW steps at 1e-2; heads of 16 channels, or ``n_head`` of them."""
    return [
        trained(
            init,
            seeds,
            1e-2,
            {"n_layer": 2, "n_head": n_head or width // 16, "n_embd": width, "block_size": 16},
            {"batch_size": 1},
        )
        for width in WIDTHS
    ]


def width_slopes(lanes: list[list[Lane]], what: str) -> dict[str, float]:
    """Return the slope of every hidden activation's ``size`` or ``change`` over widths, by place and site."""
    return {
        f"{place} {site}": slope_over(WIDTHS, [[getattr(lane[place], what)[site] for lane in row] for row in lanes])
        for place in HIDDEN
        for site in range(len(lanes[0][0][place].size))
    }


@pytest.mark.parametrize(("init", "seeds", "n_head"), [("mup", 32, None), ("u-mup", 6, None), ("u-mup", 6, 4)])
def test_activations_keep_their_size_over_widths(init: str, seeds: int, n_head: int | None) -> None:
    slopes = width_slopes(widened(init, seeds, n_head), "size")
    assert len(slopes) == 5 + 4 * 2
    steep = {name: slope for name, slope in slopes.items() if abs(slope) >= LIMIT}
    assert not steep


def test_u_mup_moves_its_activations_alike_over_widths() -> None:
    # At a rate of 1e-2 sizes are still what they started as: its rates are over √fan_in, so what moved says more. The
    # embedding, whose rate falls with the root of width by design, is left out.
    slopes = width_slopes(widened("u-mup", 6, None), "change")
    steep = {name: slope for name, slope in slopes.items() if abs(slope) >= LIMIT and name != "residual 0"}
    assert not steep


@pytest.mark.parametrize(
    ("init", "what"), [("gpt2", "size"), ("mup-without-lr", "size"), ("u-mup-without-lr", "change")]
)
def test_others_blow_up_with_width(init: str, what: str) -> None:
    # Negative twins. Tables move by the rate itself at every width, so the embedded stream alone stays flat.
    slopes = width_slopes(widened(init, 4, None), what)
    flat = {name for name, slope in slopes.items() if slope <= LIMIT}
    assert flat <= {"residual 0"}


def test_the_scatter_is_what_the_number_of_seeds_was_chosen_for() -> None:
    lanes = widened("mup", 32, None)
    last = [[lane["residual"].size[-1] for lane in row] for row in lanes]
    slopes = [slope_over(WIDTHS, [[row[seed]] for row in last]) for seed in range(32)]
    assert statistics.fmean(slopes) == pytest.approx(slope_over(WIDTHS, last))
    assert statistics.stdev(slopes) / 32**0.5 < LIMIT / 2.5


@lru_cache
def depth_slope(init: str, lr: float) -> float:
    """Return the slope over depths of how far five steps move the last residual stream, over three seeds."""
    values = []
    for depth in DEPTHS:
        model = {"n_layer": depth, "n_head": 4, "n_embd": WIDTHS[0], "block_size": 16}
        lanes = trained(init, 3, lr, model, {"batch_size": 4, "eps": 1e-12})
        values.append([lane["residual"].change[-1] for lane in lanes])
    return slope_over(DEPTHS, values)


@pytest.mark.parametrize("lr", [1e-2, 1e-3])
def test_completep_moves_the_last_residual_stream_alike_over_depths(lr: float) -> None:
    assert abs(depth_slope("completep", lr)) < LIMIT


@pytest.mark.parametrize("lr", [1e-2, 1e-3])
@pytest.mark.parametrize("init", ["gpt2", "depth-scaled", "completep:alpha=0"])
def test_others_move_it_more_or_less_with_depth(init: str, lr: float) -> None:
    # Negative twins: gpt2's branches all move, so the stream moves in proportion to their number; 1/√(2L) on the
    # draws does not hold their updates back; and without the branch multiplier the rate alone does not fit.
    slope = depth_slope(init, lr)
    assert abs(slope) > LIMIT
    if "alpha" not in init:
        assert slope > 5 * LIMIT


def test_depth_mup_keeps_small_steps_alike_and_large_ones_not() -> None:
    # Its branches over √M with rates over √M hold to first order in the rate; completep's hold beyond it.
    assert abs(depth_slope("depth-mup", 1e-3)) < LIMIT
    assert depth_slope("depth-mup", 1e-2) < -LIMIT
