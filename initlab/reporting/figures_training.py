"""Figures of training: loss against step, and the residual stream while it learns."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from initlab.reporting.canvas import INK, Drawing, Sheet, log_scale, looks, whole_ticks
from initlab.reporting.panels import Layout, Panel, everything, handles, lay_out, look, reference
from initlab.results.cells import Cell
from initlab.results.frames import SweepFrames

_MOST_POINTS = 300
_MOST_PROFILES = 12
_LOG_FROM = 4.0  # a loss axis that spans a larger ratio is logarithmic
_PHASES: tuple[tuple[str, str, Any], ...] = (
    ("first", "#56b4e9", ":"),
    ("middle", "#0072b2", "--"),
    ("last", INK, "-"),
)


def loss_curves(frames: SweepFrames) -> Drawing | None:
    """Training and validation loss against step, a line a cell."""
    curves = frames.curves
    known = set(curves["cell_index"][curves["train_loss"].notna()])
    layout = lay_out([cell for cell in _trained(frames) if cell.index in known], everything)
    if not layout.panels:
        return None
    over = set(frames.runs["id"][frames.runs["status"] == "finished"])
    finished, rest = curves[curves["id"].isin(over)], curves[~curves["id"].isin(over)]
    window = max(1, max(cell.steps for panel in layout.panels for cell in panel.cells) // 50)
    with looks():
        sheet = Sheet("loss-curves", len(layout.panels))
        loose = 0
        for ax, panel in zip(sheet.axes, layout.panels, strict=True):
            sheet.title(ax, panel.title)
            levels = _levels(frames, panel)
            _loss_axis(ax, finished if len(finished) else curves, levels)
            for init, activation, cells in panel.lines:
                _cell_curve(
                    frames, sheet, ax, finished[finished["cell_index"].isin(cells)], (init, activation), window
                )
                loose += _loose_curves(frames, sheet, ax, rest[rest["cell_index"].isin(cells)], (init, activation))
            for (_, dash), level in levels.items():
                ax.axhline(level, color=INK, linestyle=dash, linewidth=0.9)
        sheet.label("step", "loss (nats per token)")
        sheet.legend([*handles(frames, layout), *_curve_handles(frames, layout, loose)])
        return sheet.drawing("Loss", _loss_caption(window, loose, layout))


def variance_over_training(frames: SweepFrames) -> Drawing | None:
    """Variance of the residual stream after the last block against step."""
    data, layout, unfinished = _residuals(frames)
    if not layout.panels:
        return None
    ends = data[data["site"] == data.groupby("cell_index")["site"].transform("max")]
    positive = ends["value"][ends["value"] > 0]
    with looks():
        sheet = Sheet("variance-over-training", len(layout.panels))
        for ax, panel in zip(sheet.axes, layout.panels, strict=True):
            sheet.title(ax, panel.title)
            ax.set_xscale("symlog", linthresh=1)
            log_scale(ax, float(positive.min()), float(positive.max()))
            for init, activation, cells in panel.lines:
                own = ends[ends["cell_index"].isin(cells)].groupby("step")["value"].agg(["min", "mean", "max"])
                seen, who = look(frames, init, activation), (f"{init} · {activation}", init, activation)
                style = {"color": seen.colour, "linestyle": seen.dash, "marker": seen.marker or None}
                gid = sheet.plot(ax, own.index.to_list(), own["mean"].to_list(), who, **style)
                if gid and (own["max"] > own["min"]).any():
                    sheet.band(ax, gid, own.index.to_list(), own["min"], own["max"], seen.colour)
            _step_ticks(ax, int(ends["step"].max()))
        sheet.label("step (logarithmic from 1)", "variance over channels")
        sheet.legend(handles(frames, layout))
        caption = (
            "Variance of the residual stream after the last block while training. Lines that meet have forgotten "
            "their init. Lines are means over finished seeds, bands run from the least to the greatest seed."
        )
        return sheet.drawing(
            "Residual stream during training", " ".join([caption, *unfinished, layout.left_out]).strip()
        )


def layer_profiles(frames: SweepFrames) -> Drawing | None:
    """Residual variance against layer at the first, the middle and the last probed step, a panel a cell."""
    data, layout, _ = _residuals(frames)
    cells = [cell for panel in layout.panels for cell in panel.cells]
    cells = [cell for cell in cells if data["step"][data["cell_index"] == cell.index].nunique() > 1]
    if not cells:
        return None
    shown = cells[:_MOST_PROFILES]
    positive = data["value"][data["cell_index"].isin([cell.index for cell in shown]) & (data["value"] > 0)]
    with looks():
        sheet = Sheet("layer-profiles", len(shown), columns=4 if len(shown) > 3 else 3, height=2.1)
        for ax, cell in zip(sheet.axes, shown, strict=True):
            ax.set_title(_two_lines(cell), fontsize=7.5)
            log_scale(ax, float(positive.min()), float(positive.max()))
            _profile(sheet, ax, cell, data[data["cell_index"] == cell.index])
            whole_ticks(ax)
        sheet.label("layer", "variance over channels")
        sheet.legend(_phase_handles(data[data["cell_index"].isin([cell.index for cell in shown])]))
        rest = len(cells) - len(shown)
        caption = (
            "How the stream's profile changes while training: the first, the middle and the last probed step of each "
            "cell (means over finished seeds)."
        )
        more = f" {rest} more cell{'s' * (rest > 1)} not drawn." if rest > 0 else ""
        return sheet.drawing("Profiles before, during and after training", caption + more)


def _trained(frames: SweepFrames) -> list[Cell]:
    return [cell for cell in frames.results.cells if cell.steps > 0]


def _residuals(frames: SweepFrames) -> tuple[pd.DataFrame, Layout, list[str]]:
    """Residual variance of finished trained runs, their panels, and a sentence about cells without any."""
    trained, layers = _trained(frames), frames.layers
    over = frames.runs["id"][frames.runs["status"] == "finished"]
    data = layers[(layers["probe"] == "residual_var") & layers["id"].isin(over) & layers["value"].notna()]
    data = data[data["cell_index"].isin([cell.index for cell in trained]) & (data["value"] > 0)]
    known = set(data["cell_index"])
    missing = [cell.label for cell in trained if cell.index not in known]
    said = [f"Without a finished run: {', '.join(missing)}."] if missing else []
    return data, lay_out([cell for cell in trained if cell.index in known], everything), said


def _levels(frames: SweepFrames, panel: Panel) -> dict[tuple[str, str], float]:
    """Levels a panel's losses are read against: its cells share corpus and sizes, so there is one of each."""
    runs = frames.runs[frames.runs["cell_index"].isin([cell.index for cell in panel.cells])]
    named = {("ln V (uniform guess)", ":"): "uniform_loss", ("entropy floor", "-."): "entropy_floor"}
    return {key: float(runs[name].max()) for key, name in named.items() if runs[name].notna().any()}


def _loss_axis(ax: Axes, curves: pd.DataFrame, levels: dict[tuple[str, str], float]) -> None:
    """Fit the axis to the runs that finished: one that diverged leaves through the top."""
    seen = pd.concat(
        [curves["train_loss"], curves["val_loss"], pd.Series(list(levels.values()), dtype=float)]
    ).dropna()
    low, high = float(seen.min()), float(seen.max())
    if low > 0 and high / low > _LOG_FROM:
        log_scale(ax, low, high)
    else:
        margin = 0.04 * (high - low) or 0.1
        ax.set_ylim(low - margin, high + margin)


def _cell_curve(
    frames: SweepFrames, sheet: Sheet, ax: Axes, curves: pd.DataFrame, names: tuple[str, str], window: int
) -> None:
    """Draw the mean over finished seeds: training thin and smoothed, validation as dots."""
    if curves.empty:
        return
    init, activation = names
    mean = curves.groupby("step")[["train_loss", "val_loss"]].mean()
    train = mean["train_loss"].dropna().rolling(window, center=True, min_periods=1).mean()
    train = train.iloc[_thinned(len(train))]
    validation = mean["val_loss"].dropna()
    seen, label = look(frames, init, activation), f"{init} · {activation}"
    style = {"color": seen.colour, "linestyle": seen.dash, "linewidth": 1.0}
    sheet.plot(ax, train.index.to_list(), train.to_list(), (f"{label} · train", init, activation), **style)
    dots = {"color": seen.colour, "linestyle": "none", "marker": seen.marker or "o", "markeredgecolor": INK}
    who = (f"{label} · validation", init, activation)
    sheet.plot(ax, validation.index.to_list(), validation.to_list(), who, markeredgewidth=0.4, **dots)


def _loose_curves(frames: SweepFrames, sheet: Sheet, ax: Axes, curves: pd.DataFrame, names: tuple[str, str]) -> int:
    """Draw each run that did not finish by itself, faintly, with a cross where it ends; return how many."""
    init, activation = names
    colour, drawn = look(frames, init, activation).colour, 0
    status = frames.runs.set_index("id")["status"]
    for name, own in curves[curves["train_loss"].notna()].groupby("id", observed=True):
        own = own.iloc[_thinned(len(own))]
        said = status[name] if isinstance(status[name], str) else status[name].iloc[0]
        who = (f"{init} · {activation} · seed {own['seed'].iloc[0]} · {said}", init, activation)
        style = {"color": colour, "alpha": 0.6, "linewidth": 0.8, "marker": "x", "markevery": [-1]}
        drawn += sheet.plot(ax, own["step"].to_list(), own["train_loss"].to_list(), who, **style) is not None
    return drawn


def _curve_handles(frames: SweepFrames, layout: Layout, loose: int) -> list[Line2D]:
    found = {key for panel in layout.panels for key in _levels(frames, panel)}
    made = [reference(label, dash) for label, dash in sorted(found, reverse=True)]
    dot: dict[str, Any] = {"color": "none", "marker": "o", "markeredgecolor": INK, "markeredgewidth": 0.6}
    made.insert(0, Line2D([], [], label="validation", **dot))
    if loose:
        made.append(
            Line2D([], [], color=INK, alpha=0.6, linewidth=0.8, marker="x", label="a run that did not finish")
        )
    return made


def _loss_caption(window: int, loose: int, layout: Layout) -> str:
    smooth = f", smoothed by a centred mean over {window} steps" if window > 1 else ""
    said = [
        f"Lower is better. Thin lines: training loss, the mean over finished seeds{smooth}.",
        "Markers: validation loss.",
        "Runs that did not finish are drawn alone, and end in a cross." if loose else "",
        layout.left_out,
    ]
    return " ".join(sentence for sentence in said if sentence)


def _profile(sheet: Sheet, ax: Axes, cell: Cell, data: pd.DataFrame) -> None:
    for step, (phase, colour, dash) in zip(_phase_steps(data), _PHASES, strict=True):
        own = data[data["step"] == step].groupby("layer")["value"].mean()
        who = (f"{cell.label} · {phase} probe: step {step}", cell.init, cell.activation)
        sheet.plot(ax, own.index.to_list(), own.to_list(), who, color=colour, linestyle=dash, linewidth=1.2)


def _two_lines(cell: Cell) -> str:
    """The cell's name, its sizes on a line of their own, short enough for a quarter of a figure."""
    first, rest = f"{cell.init} · {cell.activation}", " · ".join(cell.label.split(" · ")[2:])
    return "\n".join(textwrap.shorten(line, 36, placeholder=" ...") for line in (first, rest) if line)


def _phase_handles(data: pd.DataFrame) -> list[Line2D]:
    """Name the probed steps by number where every cell has the same ones."""
    probed = {tuple(_phase_steps(own)) for _, own in data.groupby("cell_index")}
    steps = [f"step {step}" for step in probed.pop()] if len(probed) == 1 else [f"{p} probe" for p, _, _ in _PHASES]
    return [Line2D([], [], color=c, linestyle=d, label=step) for step, (_, c, d) in zip(steps, _PHASES, strict=True)]


def _phase_steps(data: pd.DataFrame) -> tuple[int, int, int]:
    """The first, the middle and the last probed step; probes stand closer early, so the middle one is early."""
    steps = [int(step) for step in sorted(data["step"].unique())]
    return steps[0], steps[len(steps) // 2], steps[-1]


def _thinned(length: int) -> list[int]:
    """Places of at most _MOST_POINTS points, the first and the last among them."""
    if length <= _MOST_POINTS:
        return list(range(length))
    return sorted({int(place) for place in np.linspace(0, length - 1, _MOST_POINTS).round()})


def _step_ticks(ax: Axes, last: int) -> None:
    ticks = [0, *(10**power for power in range(8) if 10**power <= last)]
    ax.set_xticks(ticks, [f"{tick:,}".replace(",", " ") for tick in ticks])
    ax.set_xlim(-0.15, max(last, 1) * 1.15)
