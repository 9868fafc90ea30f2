"""How fast the loop is over lanes, width, depth and workers; how long a sweep takes over its runs: scaling.png."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sides import HERE, Row, flags, initlab, steady

USUAL: dict[str, Any] = {}
SMALL = {"n_layer": 2, "n_embd": 64, "n_head": 2, "block_size": 32, "batch_size": 8}


@dataclass(frozen=True)
class Panel:
    """One curve a title: what ``measure`` returns of the sizes and each value."""

    label: str
    values: Sequence[int]
    measure: Callable[[dict[str, Any], int], float]
    unit: str = "GF/s of useful work"
    sizes: tuple[tuple[str, dict[str, Any]], ...] = (("4 layers, 128 wide", USUAL),)


def rate(sizes: dict[str, Any], **settings: Any) -> float:
    """Return GF/s of useful work of all processes together."""
    return float(sum(one["flops"] / one["ms"] / 1e6 for one in steady(steps=30, **{**sizes, **settings})))


def sweep_seconds(sizes: dict[str, Any], runs: int) -> float:
    """Return the seconds of a sweep of 100 steps a run, from the command to the report."""
    settings = {"init": "gpt2,depth-scaled", "activation": "gelu,relu", "seeds": runs // 4, "steps": 100, **sizes}
    named = {name.replace("_", "-"): value for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as folder:
        return initlab("sweep", *flags(named), "-o", f"{folder}/x")


PANELS = (
    Panel(
        "lanes",
        (1, 2, 4, 8, 16),
        lambda sizes, n: rate(sizes, lanes=n),
        sizes=(("4 layers, 128 wide", USUAL), ("2 layers, 64 wide, T = 32, B = 8", SMALL)),
    ),
    Panel("width", (32, 64, 128, 256), lambda sizes, n: rate(sizes, n_embd=n)),
    Panel("layers", (1, 2, 4, 8), lambda sizes, n: rate(sizes, n_layer=n)),
    Panel("workers", (1, 2), lambda sizes, n: rate(sizes, together=n, until=8.0)),
    Panel(
        "runs of a sweep",
        (4, 8, 16, 32, 64),
        sweep_seconds,
        "seconds, start to report",
        (("2 layers, 64 wide, T = 32, B = 8, 100 steps", SMALL),),
    ),
)


def scaling(rounds: int) -> list[Row]:
    """Measure every panel, each point the median of a third of the rounds, and draw them side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(PANELS), figsize=(3.6 * len(PANELS), 3), constrained_layout=True)
    rows = []
    for panel, axis in zip(PANELS, axes, strict=True):
        for title, sizes in panel.sizes:
            found = [
                statistics.median(panel.measure(sizes, value) for _ in range(max(1, rounds // 3)))
                for value in panel.values
            ]
            axis.plot(panel.values, found, marker="o", label=title)
            numbers = ", ".join(f"{value}: {y:.0f}" for value, y in zip(panel.values, found, strict=True))
            rows.append(Row(f"{panel.unit} against {panel.label} ({title})", numbers, "", "", ""))
        axis.set(xlabel=panel.label, ylabel=panel.unit, xscale="log")
        axis.set_xticks(panel.values, [str(value) for value in panel.values])
        axis.minorticks_off()
        axis.set_ylim(0, 1.05 * axis.get_ylim()[1])
        axis.legend(fontsize=7, loc="lower right")
    figure.savefig(HERE / "scaling.png", dpi=110)
    return rows
