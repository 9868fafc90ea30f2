"""Figures and tables of docs/theory.md, from what ``theory_validation.py --store`` kept.

python benchmarks/theory_figures.py --store grid.jsonl -o docs/images
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from theory_validation import CURVES, Case, Row, Store, judge

from initlab.reporting.views.panels import PALETTE

NAMES = {"residual_ms": "residual", "attn_ms": "attention", "mlp_ms": "MLP", "token_cosine": "cosine (0.01)",
         "grad_ms": "gradient"}  # fmt: skip
SHOWN = ("gpt2", "depth-scaled", "zero-residual", "pytorch", "xavier", "note-inv-sqrt-depth")
REDUCED: dict[str, Callable[[np.ndarray], float]] = {"median": np.median, "worst": np.max}
INTO_LOSS = ("the gradient is independent of the stream", "the model has no opinion yet")


def read(paths: list[Path]) -> list[tuple[Case, dict[str, np.ndarray]]]:
    """Return every stored case with what was measured."""
    found = []
    for path in paths:
        store = Store(path)
        cases = [Case(**json.loads(json.loads(line)["case"])) for line in path.read_text().splitlines()]
        found += [(case, store[case]) for case in cases]
    return found


def table(rows: dict[Case, Row], group: Callable[[Case], str]) -> Iterable[str]:
    """Yield a Markdown table: the median over cases of a curve's median error, and the worst of any site."""
    yield "| | rows | " + " | ".join(NAMES[curve] for curve in CURVES) + " | loss (nats) |"
    yield "|---" * (len(CURVES) + 3) + "|"
    for name in dict.fromkeys(map(group, rows)):
        own = [row for case, row in rows.items() if group(case) == name]
        cells = [
            f"{np.median([np.median(row.errors[curve]) for row in own]):.1f} / "
            f"{max(row.errors[curve].max() for row in own):.1f}"
            for curve in CURVES
        ]
        losses = [abs(row.loss) for row in own]
        yield f"| {name} | {len(own)} | " + " | ".join(cells) + f" | {np.median(losses):.3f} / {max(losses):.3f} |"


def loss_line(rows: dict[Case, Row]) -> str:
    """Return how far the loss is off where its assumptions hold."""
    clean = [
        abs(row.loss)
        for case, row in rows.items()
        if not any(note.assumption in INTO_LOSS for note in case.prediction.validity)
    ]
    worst = f"worst {max(clean):.4f} nats ({len(clean)} rows)"
    return f"loss where its assumptions hold: median {np.median(clean):.4f}, {worst}"


def profiles(cases: list[tuple[Case, dict[str, np.ndarray]]], curve: str, depth: int, path: Path) -> None:
    """Draw a curve over depth for some inits: lines are predictions with their bands, dots measurements."""
    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, 2, sharey=True))
    for ax, activation in zip(axes, ("gelu", "relu"), strict=True):
        for case, measured in cases:
            if (case.depth, case.activation, case.text, case.tied) != (depth, activation, "uniform", True):
                continue
            if case.init not in SHOWN or (curve == "grad_ms" and case.init == "pytorch"):
                continue
            colour = PALETTE[SHOWN.index(case.init)]
            predicted = case.prediction
            value, band = np.array(getattr(predicted, curve)), np.array(predicted.bands[curve])
            layer = np.arange(len(value)) / 2
            low = np.maximum(value - band, 1e-300)
            ax.fill_between(layer, low, value + band, color=colour, alpha=0.2, linewidth=0)
            ax.plot(layer, value, color=colour, linewidth=1.2, label=case.init)
            ax.plot(layer[::2], measured[curve][::2], "o", color=colour, markersize=3)
        ax.set_yscale("log")
        ax.set_title(f"{activation}, {depth} layers of width {cases[0][0].width}")
        ax.set_xlabel("layer")
        ax.grid(alpha=0.2)
    axes[0].set_ylabel({"residual_ms": "second moment", "grad_ms": "second moment of the gradient"}[curve])
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=6, fontsize=7.5, frameon=False)
    figure.savefig(path, dpi=130)


def errors(rows: dict[Case, Row], path: Path) -> None:
    """Draw every row's median and worst error, curve by curve."""
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(CURVES), sharey=True))
    random = np.random.default_rng(0)
    for ax, curve in zip(axes, CURVES, strict=True):
        for place, (name, reduce) in enumerate(REDUCED.items()):
            values = np.array([reduce(row.errors[curve]) for row in rows.values()])
            spread = place + random.uniform(-0.3, 0.3, len(values))
            ax.plot(spread, np.maximum(values, 0.02), ".", color=PALETTE[place], markersize=3)
            ax.text(place, 45, name, ha="center", fontsize=7.5)
        ax.set_yscale("log")
        ax.set_ylim(0.02, 70)
        ax.set_xticks([])
        ax.set_title(NAMES[curve], fontsize=8.5)
        ax.grid(alpha=0.2)
    axes[0].set_ylabel("error, percent")
    figure.savefig(path, dpi=130)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--store", type=Path, nargs="+", required=True)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    mpl.rcParams.update({"font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False})
    cases = read(options.store)
    rows = {case: judge(case, measured) for case, measured in cases}
    for group in (lambda case: case.init + ("" if case.tied else ", untied"), lambda case: f"{case.depth} layers"):
        print("\n".join(table(rows, group)), end="\n\n")
    print(loss_line(rows))
    print(f"{sum(bool(row.failed) for row in rows.values())} of {len(rows)} rows failed")
    profiles(cases, "residual_ms", 24, options.out / "theory-residual.png")
    profiles(cases, "grad_ms", 24, options.out / "theory-gradient.png")
    errors(rows, options.out / "theory-errors.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
