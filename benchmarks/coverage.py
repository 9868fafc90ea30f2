"""How often the intervals and verdicts that initlab prints are right, by simulation: the table of docs/verdicts.md.

    python benchmarks/coverage.py             # 4,000 sweeps a row, some ten minutes of one core
    python benchmarks/coverage.py 500 overall # fewer, and of one part

Every row calls the functions that print, with draws whose truth is known. The last column says what was asked for.
Rows that begin with "twin" do what initlab does not, and must fail.
"""

import itertools
import math
import sys
from collections.abc import Callable, Iterator

import numpy as np

from initlab.stats.compare import Comparison, compare, estimate_mean, paired, t_quantile, unpaired
from initlab.stats.optima import Optima, locate
from initlab.stats.rates import Rate
from initlab.stats.sensitivity import best_losses, optimum, seed_sensitivities, stable_widths
from initlab.stats.slopes import coordinate_check
from initlab.stats.summaries import Interval
from initlab.verdicts.check import Check, check_estimate, decide, decide_file
from initlab.verdicts.contrasts import Contrast, pooled_contrasts
from tests.stats.simulation import (
    SHAPES,
    Floats,
    bootstrap_over_cells,
    contains,
    shared_seeds,
    two_point_pairs,
    two_point_samples,
)

SEEDS = (3, 5, 10)
Row = tuple[str, dict[int, float], str]
Checks = Callable[[np.random.Generator, int], list[Check]]
RATES = [10**x for x in (-4.0, -3.5, -3.0, -2.5, -2.0, -1.5)]


def covered(name: str, asked: str, hit: Callable[[np.random.Generator, int], bool], repeats: int) -> Row:
    """Return how often ``hit`` is true, by number of seeds."""
    found = {}
    for n in SEEDS:
        generator = np.random.default_rng(n)
        found[n] = sum(hit(generator, n) for _ in range(repeats)) / repeats
    return name, found, asked


def holds(interval: Interval | None, truth: float) -> bool:
    return interval is not None and contains(interval, truth)


def means(repeats: int) -> Iterator[Row]:
    """Means, paired and unpaired differences."""
    for shape, draw in SHAPES.items():
        asked = "not: 80-85" if shape == "skewed" else "93-97"

        def one(generator: np.random.Generator, n: int, draw: Callable[..., Floats] = draw) -> bool:
            estimate = estimate_mean(draw(generator, (n,)))
            return estimate is not None and holds(estimate.interval(), 0.0)

        def two(generator: np.random.Generator, n: int, draw: Callable[..., Floats] = draw) -> bool:
            return holds(paired(draw(generator, (n,)), draw(generator, (n,))).interval, 0.0)

        def apart(generator: np.random.Generator, n: int, draw: Callable[..., Floats] = draw) -> bool:
            return holds(unpaired(draw(generator, (n,)), 3 * draw(generator, (n,))).interval, 0.0)

        yield covered(f"mean, {shape}", asked, one, repeats)
        if shape != "skewed":
            yield covered(f"paired, {shape}", "93-97", two, repeats)
            yield covered(f"Welch, sd 1 and 3, {shape}", "93-97", apart, repeats)

    def failing(generator: np.random.Generator, n: int) -> bool:
        losses = 2.5 + 0.02 * generator.standard_normal(n) + 1.5 * (generator.random(n) < 0.1)
        estimate = estimate_mean(losses)
        return estimate is not None and holds(estimate.interval(), 2.65)

    yield covered("mean, one run in ten 1.5 nats worse", "not: unseen failures", failing, repeats)


def discrete(repeats: int) -> Iterator[Row]:
    """Two-point metrics, summed exactly over all samples: the worst share of 0.05, 0.10 ... 0.95."""
    shares, sizes = [number / 20 for number in range(1, 20)], (2, *SEEDS)
    missed = dict.fromkeys(sizes, 0.0)
    refuted, naive, different, rate = dict(missed), dict(missed), dict(missed), dict(missed)
    for n in sizes:
        for share in shares:
            outside = wrong = certain = beyond = 0.0
            for chance, values in two_point_samples(n, share):
                estimate = estimate_mean(values)
                assert estimate is not None
                outside += chance * (not holds(estimate.interval(), share))
                wrong += chance * (estimate.p_below(share) < 0.05)
                certain += chance * (len(set(values)) == 1 and values[0] < share)
                beyond += chance * (not holds(Rate(int(sum(values)), n).interval(), share))
            missed[n], refuted[n] = max(missed[n], outside), max(refuted[n], wrong)
            naive[n], rate[n] = max(naive[n], certain), max(rate[n], beyond)
            if n < 10:
                same = sum(c for c, a, b in two_point_pairs(n, share) if paired(a, b).answer() == "different")
                different[n] = max(different[n], same)
    yield "two-point mean, worst coverage", {n: 1 - value for n, value in missed.items()}, ">= 94"
    yield "divergence rate, worst coverage", {n: 1 - value for n, value in rate.items()}, ">= 95"
    yield "two-point claim at its bound, false REFUTED, worst", refuted, "<= 5"
    yield "twin: ties taken for certainty, false REFUTED, worst", naive, "fails <= 5"
    yield "two-point, same against same, different, worst", {n: different[n] for n in (2, 3, 5)}, "<= 6"


def overall(repeats: int) -> Iterator[Row]:
    """One number over twenty cells that share seeds."""
    for correlation in (0.0, 0.1, 0.4):

        def ours(generator: np.random.Generator, n: int, correlation: float = correlation) -> bool:
            (row,) = pooled_contrasts(contrasts_of(shared_seeds(generator, (20, n), correlation)))
            return holds(row.interval, 0.0)

        def cells(generator: np.random.Generator, n: int, correlation: float = correlation) -> bool:
            low, high = bootstrap_over_cells(shared_seeds(generator, (20, n), correlation), generator)
            return low <= 0 <= high

        yield covered(f"overall, correlation {correlation:g}", ">= 92", ours, repeats)
        asked = "" if correlation == 0 else "fails >= 92"
        yield covered(f"twin: bootstrap over cells, correlation {correlation:g}", asked, cells, repeats)


def contrasts_of(differences: Floats) -> list[Contrast]:
    """Return a contrast a cell; differences has shape (cells, seeds)."""
    nothing = Comparison("paired t", 0.0, None)
    return [
        Contrast(
            *("b", "a", str(number), len(row), nothing, None, None, "undecided", None, 0, Interval(0.0, 1.0)),
            losses=dict(enumerate(row.tolist())),
            reference_losses=dict.fromkeys(range(len(row)), 0.0),
        )
        for number, row in enumerate(differences)
    ]


def learning_rates(repeats: int) -> Iterator[Row]:
    """What is made of a curve over learning rates; noise of sd 0.02 at every rate."""
    shapes = {
        "one rate the best": [0.3, 0.1, 0.0, 0.1, 0.3, 1.0],
        "two nearly alike": [0.3, 0.1, 0.01, 0.0, 0.1, 1.0],
        "flat": [0.0] * 6,
    }
    for name, shape in shapes.items():
        truth = float(np.mean(shape) - np.min(shape))

        def relative(
            generator: np.random.Generator, n: int, shape: list[float] = shape, truth: float = truth
        ) -> bool:
            found = seed_sensitivities(curves(generator, n, shape))
            return found is not None and contains(found.mean().interval(), truth)

        def own(generator: np.random.Generator, n: int, shape: list[float] = shape, truth: float = truth) -> bool:
            values = [
                float(np.mean(list(c.values()))) - min(c.values()) for c in curves(generator, n, shape).values()
            ]
            estimate = estimate_mean(values)
            return estimate is not None and holds(estimate.interval(), truth)

        def apart(generator: np.random.Generator, n: int, shape: list[float] = shape) -> bool:
            a, b = (best_losses(curves(generator, n, one)) for one in (shape, shapes["one rate the best"]))
            return contains(a.minus(b).interval(), 0.0)

        def student(generator: np.random.Generator, n: int, shape: list[float] = shape) -> bool:
            a, b = (best_losses(curves(generator, n, one)).values for one in (shape, shapes["one rate the best"]))
            return holds(compare(a, b).interval, 0.0)

        yield covered(f"sensitivity, {name}", ">= 93", relative, repeats)
        if name == "flat":
            yield covered(f"twin: least loss of each seed, {name}", "fails >= 93", own, repeats)
        yield covered(f"least loss against one rate the best, {name}", ">= 93", apart, repeats)
        if name == "flat":
            yield covered(f"twin: the same by Student alone, {name}", "fails >= 93", student, repeats)
    yield from optima(repeats)


def parabola(distance: float) -> float:
    return 0.1 * distance**2


def wall(distance: float) -> float:
    """As losses of real networks: a gentle slope up to the best rate, a steep one beyond it."""
    return 0.1 * distance**2 if distance < 0 else 0.6 * distance**2


def optima(repeats: int) -> Iterator[Row]:
    """The best rate inside the grid and near its end; how wide the stable range is."""
    places = {"inside": -2.75, "near an end": -3.9, "beyond an end": -4.3}
    for (where, centre), curve in itertools.product(places.items(), (parabola, wall)):
        shape = [curve(math.log10(rate) - centre) for rate in RATES]

        def best(generator: np.random.Generator, n: int, shape: list[float] = shape, centre: float = centre) -> bool:
            found = locate(curves(generator, n, shape, 0.01))
            return found is not None and contains(Optima(((1.0, found),)).interval(), centre * math.log(10))

        def student(
            generator: np.random.Generator, n: int, shape: list[float] = shape, centre: float = centre
        ) -> bool:
            found = [optimum(c) or min(c, key=c.__getitem__) for c in curves(generator, n, shape, 0.01).values()]
            places = np.log10(found)
            error = float(np.std(places, ddof=1)) / math.sqrt(n)
            return bool(abs(np.mean(places) - centre) <= t_quantile(0.975, n - 1) * error)

        yield covered(f"best rate {where}, {curve.__name__}", ">= 94", best, repeats)
        if (where, curve) != ("inside", parabola):
            yield covered(
                f"twin: vertices, ends as values, {where}, {curve.__name__}", "fails >= 94", student, repeats
            )
    shape = [0.3, 0.1, 0.0, 0.05, 0.1, 1.0]  # two rates are on the edge of being stable
    widths = [stable_widths(curves(np.random.default_rng(0), 20000, shape), {}).values.values()]
    truth = float(np.mean(list(*widths)))

    def stable(generator: np.random.Generator, n: int) -> bool:
        return contains(stable_widths(curves(generator, n, shape), {}).mean().interval(), truth)

    yield covered("stable decades, mean of what the grid shows", ">= 94", stable, repeats)

    def exponent(generator: np.random.Generator, n: int) -> bool:
        noise = np.exp(generator.normal(0, 0.2, (n, 4)))
        found = coordinate_check([{w: w**0.5 * e for w, e in zip((64, 128, 256, 512), row)} for row in noise])  # noqa: B905
        return found is not None and holds(found.interval, 0.5)

    yield covered("exponent over width", "93-97", exponent, repeats)


def curves(
    generator: np.random.Generator, n: int, shape: list[float], sd: float = 0.02
) -> dict[int, dict[float, float]]:
    """Return noisy curves by seed."""
    noisy = 2.5 + np.array(shape) + generator.normal(0, sd, (n, len(shape)))
    return {seed: dict(zip(RATES, row.tolist(), strict=True)) for seed, row in enumerate(noisy)}


def files(repeats: int) -> Iterator[Row]:
    """Claims files of 25 true statements, each exactly at its bound: how many hold a false REFUTED."""
    for name, correlation in (("independent", 0.0), ("correlation 0.4", 0.4)):

        def checks(generator: np.random.Generator, n: int, correlation: float = correlation) -> list[Check]:
            blank, values = Check("", "", (-math.inf, 0.0)), shared_seeds(generator, (25, n), correlation)
            return [check_estimate(blank, estimate_mean(row), 0.95) for row in values]

        def whole(generator: np.random.Generator, n: int, checks: Checks = checks) -> bool:
            found = decide_file([[check] for check in checks(generator, n)], 0.95)
            return ["fails"] in found

        def single(generator: np.random.Generator, n: int, checks: Checks = checks) -> bool:
            return any(decide([check], 0.05) == ["fails"] for check in checks(generator, n))

        yield covered(f"25 claims at their bound, false REFUTED, {name}", "<= 6", whole, repeats)
        yield covered(f"twin: claim by claim, {name}", "fails <= 6", single, repeats)


PARTS = {"means": means, "discrete": discrete, "overall": overall, "rates": learning_rates, "files": files}


def main(repeats: int, names: list[str]) -> None:
    """Print the table."""
    print(f"{'in %':<58}{'n = 2':>7}{'3':>7}{'5':>7}{'10':>7}   asked for")
    for name in names:
        for title, found, asked in PARTS[name](repeats):
            numbers = "".join(f"{100 * found[n]:>7.1f}" if n in found else f"{'':>7}" for n in (2, *SEEDS))
            print(f"{title:<58}{numbers}   {asked}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000, sys.argv[2:] or list(PARTS))
