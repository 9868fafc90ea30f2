"""Coordinate checks of the inits that promise one: what neither width nor depth changes, and what it does change.

Synthetic text, default AdamW but for a constant rate and no clipping (the gradient's norm depends on width and depth:
clipping would act at some sizes alone).

**Width.** Widths from 64 to 512 with heads of one size, as people scale models, from a base of the smallest. Left out
are logits, attention logits and the queries and keys that these are products of: μP promises their updates, not their
sizes, since queries and head start at zero.

What flatness costs: the update of a matrix meets an input x as Σ sign(Σ_t δ(t) x(t))·x, which is of order d over the
root of the number of tokens t where tokens share a direction, with noise of order √d: below a width of about the
number of tokens the noise is not small. So ``mup``, whose zero head makes the first update all there is, is not flat
at every batch size: slopes of the residual stream were -0.11 to -0.15 ± 0.03 at 12 sequences of 64 (2 layers, base
256, cosine schedule, 128 seeds) and -0.3 to -0.4 ± 0.06 at a constant rate from a base of 64. That is the
parametrisation and not its spelling here: microsoft/mup's own optimizer and readout train the same network, to 1e-9
(``test_against_mup``). Hence 16 tokens. What little signal they hold scatters: a seed's slope has a standard
deviation of .14 to .2, its mean over 32 seeds .03. ``u-mup`` starts from order one everywhere and scatters ten times
less.

**Depth.** The change of the last residual stream, in front of the final norm, from a base of two layers.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from initlab.data.corpora import load_corpus
from initlab.inits.catalogue import INITS, resolve
from initlab.inits.strategy import InitEntry, Strategy
from initlab.network.laws import Law
from initlab.network.slots import Slot
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec
from initlab.stats.slopes import BAND, Slope, coordinate_check
from tests.coordinates import Coordinates, coordinates

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


def with_one_rate_of_tables() -> Strategy:
    """u-μP whose tables move at every width as they do at the smallest: by 1/√64 of the trainer's rate."""
    strategy = resolve("u-mup").strategy

    def law(slot: Slot) -> Law | None:
        found = strategy.law(slot)
        rate = WIDTHS[0] ** -0.5
        return replace(found, lr=rate, wd=1 / rate) if found and slot.is_embedding else found

    return replace(strategy, law=law)


@pytest.fixture(autouse=True)
def mutants() -> Iterator[None]:
    with (
        INITS.temporarily("mup-without-lr", InitEntry(without_its_learning_rates("mup"), "test_coordinates")),
        INITS.temporarily("u-mup-without-lr", InitEntry(without_its_learning_rates("u-mup"), "test_coordinates")),
        INITS.temporarily("u-mup-tables-alike", InitEntry(with_one_rate_of_tables, "test_coordinates")),
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


def slope(sizes: tuple[int, ...], lanes: list[list[Lane]], place: str, site: int, what: str) -> Slope:
    """Return how one site's ``size`` or ``change`` goes with width or depth, from one row of seeds' lanes a size."""
    curves: list[dict[float, float]] = [
        {size: getattr(lane[place], what)[site] for size, lane in zip(sizes, seed, strict=True)}
        for seed in zip(*lanes, strict=True)
    ]
    found = coordinate_check(curves)
    assert found is not None
    assert found.n == len(curves)
    return found


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


def width_slopes(lanes: list[list[Lane]], what: str) -> dict[str, Slope]:
    """Return the slope of every hidden activation over widths, by place and site."""
    return {
        f"{place} {site}": slope(WIDTHS, lanes, place, site, what)
        for place in HIDDEN
        for site in range(len(lanes[0][0][place].size))
    }


def not_flat(slopes: dict[str, Slope]) -> dict[str, Slope]:
    return {name: found for name, found in slopes.items() if abs(found.exponent) >= BAND}


@pytest.mark.parametrize(
    ("init", "seeds", "n_head"),
    [pytest.param("mup", 32, None, marks=pytest.mark.slow), ("u-mup", 6, None), ("u-mup", 6, 4)],
)
def test_activations_keep_their_size_over_widths(init: str, seeds: int, n_head: int | None) -> None:
    slopes = width_slopes(widened(init, seeds, n_head), "size")
    assert len(slopes) == 5 + 4 * 2
    assert not not_flat(slopes)


@pytest.mark.slow
def test_mup_takes_as_many_seeds_as_its_scatter_needs() -> None:
    # The limit is farther from a flat truth than half a 95% interval, so what it finds steep is not scatter.
    slopes = width_slopes(widened("mup", 32, None), "size")
    for found in slopes.values():
        assert found.interval is not None
        assert (found.interval.high - found.interval.low) / 2 < BAND


def test_u_mup_moves_its_activations_alike_over_widths() -> None:
    # At a rate of 1e-2 sizes are still what they started as: its rates are over √fan_in, so what moved says more. The
    # rate of tables falls with the root of width by design, and nothing but that makes changes smaller: with one rate
    # of tables they are alike.
    assert not not_flat(width_slopes(widened("u-mup-tables-alike", 6, None), "change"))
    falling = width_slopes(widened("u-mup", 6, None), "change")
    assert abs(falling["residual 0"].exponent) >= BAND
    assert all(-2 * BAND < found.exponent < BAND for found in falling.values())


@pytest.mark.parametrize(
    ("init", "what"), [("gpt2", "size"), ("mup-without-lr", "size"), ("u-mup-without-lr", "change")]
)
def test_others_blow_up_with_width(init: str, what: str) -> None:
    # Negative twins. Tables move by the rate itself at every width, so the embedded stream alone may stay flat.
    slopes = width_slopes(widened(init, 4, None), what)
    assert {name for name, found in slopes.items() if found.trend != "grows"} <= {"residual 0"}


@lru_cache
def last_update(init: str, lr: float) -> Slope:
    """Return how far five steps move the last residual stream over depths, from three seeds."""
    lanes = [
        trained(
            init,
            3,
            lr,
            {"n_layer": depth, "n_head": 4, "n_embd": WIDTHS[0], "block_size": 16},
            {"batch_size": 4, "eps": 1e-12},
        )
        for depth in DEPTHS
    ]
    return slope(DEPTHS, lanes, "residual", -1, "change")


@pytest.mark.parametrize("lr", [1e-2, 1e-3])
def test_completep_moves_the_last_residual_stream_alike_over_depths(lr: float) -> None:
    assert abs(last_update("completep", lr).exponent) < BAND


@pytest.mark.parametrize("lr", [1e-2, 1e-3])
@pytest.mark.parametrize("init", ["gpt2", "depth-scaled"])
def test_others_move_it_the_more_the_deeper_they_are(init: str, lr: float) -> None:
    # Negative twins: all branches move, so the stream moves nearly in proportion to their number, and 1/√(2L) on the
    # draws does not hold updates back.
    assert last_update(init, lr).exponent > 5 * BAND


@pytest.mark.parametrize("lr", [1e-2, 1e-3])
def test_completep_needs_its_branch_multiplier(lr: float) -> None:
    # Negative twin: alpha = 0 leaves branches whole, with rates over M.
    assert abs(last_update("completep:alpha=0", lr).exponent) > 2 * BAND


@pytest.mark.slow
def test_depth_mup_keeps_small_steps_alike_and_large_ones_not() -> None:
    # Its branches over √M with rates over √M hold to first order in the rate; completep's hold beyond it.
    assert abs(last_update("depth-mup", 1e-3).exponent) < BAND
    assert last_update("depth-mup", 1e-2).exponent < -2 * BAND
