"""Figures of training: loss against step, and the residual stream while it learns."""

import textwrap

import numpy as np
import pandas as pd

from initlab.reporting.views.figure import INK, Dash, FigureView, Key, PanelSheet, Scale, Sheet, Style
from initlab.reporting.views.lines import add_lines, log_over
from initlab.reporting.views.panels import Layout, Panel, everything, keys, lay_out, reference, style_of
from initlab.results.cells import Cell
from initlab.results.frames import SweepFrames

_MOST_POINTS = 300
_MOST_PROFILES = 12
_LOG_FROM = 4.0  # a loss axis that spans a larger ratio is logarithmic
_PHASES: tuple[tuple[str, str, Dash], ...] = (
    ("first", "#56b4e9", ":"),
    ("middle", "#0072b2", "--"),
    ("last", INK, "-"),
)


def loss_curves(frames: SweepFrames) -> FigureView | None:
    """Training and validation loss against step, a line a cell."""
    curves = frames.curves
    logged = set(curves["cell_index"][curves["train_loss"].notna()])
    layout = lay_out([cell for cell in _trained(frames) if cell.index in logged], everything)
    if not layout.panels:
        return None
    over = set(frames.runs["id"][frames.runs["status"] == "finished"])
    finished, rest = curves[curves["id"].isin(over)], curves[~curves["id"].isin(over)]
    window = max(1, max(cell.steps for panel in layout.panels for cell in panel.cells) // 50)
    sheet = Sheet("loss-curves", len(layout.panels))
    loose = 0
    for own, panel in zip(sheet.panels, layout.panels, strict=True):
        levels = _levels(frames, panel)
        own.set(
            title=panel.title,
            y=_loss_scale(finished if len(finished) else curves, levels),
            levels=tuple((level, dash) for (_, dash), level in levels.items()),
        )
        for init, activation, cells in panel.lines:
            _add_mean(frames, own, finished[finished["cell_index"].isin(cells)], (init, activation), window)
            loose += _add_loose(frames, own, rest[rest["cell_index"].isin(cells)], (init, activation))
    return sheet.view(
        "Loss",
        _loss_caption(window, loose, layout),
        xlabel="step",
        ylabel="loss (nats per token)",
        legend=[*keys(frames, layout), *_curve_keys(frames, layout, loose)],
    )


def variance_over_training(frames: SweepFrames) -> FigureView | None:
    """Variance of the residual stream after the last block against step."""
    data, layout, unfinished = _residuals(frames)
    if not layout.panels:
        return None
    ends = data[data["site"] == data.groupby("cell_index")["site"].transform("max")]
    sheet = Sheet("variance-over-training", len(layout.panels))
    for own, panel in zip(sheet.panels, layout.panels, strict=True):
        own.set(title=panel.title, x="steps", last_step=int(ends["step"].max()), y=log_over(ends["value"]))
        add_lines(frames, own, ends, panel.lines, along="step")
    caption = (
        "Variance of the residual stream after the last block while training. Lines that meet have forgotten "
        "their init. Lines are means over finished seeds, bands run from the least to the greatest seed."
    )
    return sheet.view(
        "Residual stream during training",
        " ".join([caption, *unfinished, layout.left_out]).strip(),
        xlabel="step (logarithmic from 1)",
        ylabel="variance over channels",
        legend=keys(frames, layout),
    )


def layer_profiles(frames: SweepFrames) -> FigureView | None:
    """Residual variance against layer at the first, the middle and the last probed step, a panel a cell."""
    data, layout, _ = _residuals(frames)
    cells = [cell for panel in layout.panels for cell in panel.cells]
    cells = [cell for cell in cells if data["step"][data["cell_index"] == cell.index].nunique() > 1]
    if not cells:
        return None
    shown = cells[:_MOST_PROFILES]
    drawn = data[data["cell_index"].isin([cell.index for cell in shown])]
    sheet = Sheet("layer-profiles", len(shown), columns=4 if len(shown) > 3 else 3, height=2.1)
    for own, cell in zip(sheet.panels, shown, strict=True):
        own.set(title=_two_lines(cell), small_title=True, y=log_over(drawn["value"]), x="whole")
        _add_profile(own, cell, data[data["cell_index"] == cell.index])
    rest = len(cells) - len(shown)
    caption = (
        "How the stream's profile changes while training: the first, the middle and the last probed step of each "
        "cell (means over finished seeds)."
    )
    more = f" {rest} more cell{'s' * (rest > 1)} not drawn." if rest > 0 else ""
    return sheet.view(
        "Profiles before, during and after training",
        caption + more,
        xlabel="layer",
        ylabel="variance over channels",
        legend=_phase_keys(drawn),
    )


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


def _levels(frames: SweepFrames, panel: Panel) -> dict[tuple[str, Dash], float]:
    """Levels a panel's losses are read against: its cells share corpus and sizes, so there is one of each."""
    runs = frames.runs[frames.runs["cell_index"].isin([cell.index for cell in panel.cells])]
    named: dict[tuple[str, Dash], str] = {
        ("ln V (uniform guess)", ":"): "uniform_loss",
        ("entropy floor", "-."): "entropy_floor",
    }
    return {key: float(runs[name].max()) for key, name in named.items() if runs[name].notna().any()}


def _loss_scale(curves: pd.DataFrame, levels: dict[tuple[str, Dash], float]) -> Scale:
    """Fit the axis to the runs that finished: one that diverged leaves through the top."""
    losses = pd.concat(
        [curves["train_loss"], curves["val_loss"], pd.Series(list(levels.values()), dtype=float)]
    ).dropna()
    low, high = float(losses.min()), float(losses.max())
    if low > 0 and high / low > _LOG_FROM:
        return Scale(log=True, low=low, high=high)
    margin = 0.04 * (high - low) or 0.1
    return Scale(low=low - margin, high=high + margin)


def _add_mean(
    frames: SweepFrames, panel: PanelSheet, curves: pd.DataFrame, names: tuple[str, str], window: int
) -> None:
    """Add the mean over finished seeds: training thin and smoothed, validation as dots."""
    if curves.empty:
        return
    init, activation = names
    mean = curves.groupby("step")[["train_loss", "val_loss"]].mean()
    train = mean["train_loss"].dropna().rolling(window, center=True, min_periods=1).mean()
    train = train.iloc[_thinned(len(train))]
    validation = mean["val_loss"].dropna()
    style, label = style_of(frames, init, activation), f"{init} · {activation}"
    thin = Style(colour=style.colour, dash=style.dash, width=1.0)
    panel.plot(train.index.to_list(), train.to_list(), (f"{label} · train", init, activation), thin)
    dots = Style(colour=style.colour, dash="none", marker=style.marker or "o", edge=INK, edge_width=0.4)
    who = (f"{label} · validation", init, activation)
    panel.plot(validation.index.to_list(), validation.to_list(), who, dots)


def _add_loose(frames: SweepFrames, panel: PanelSheet, curves: pd.DataFrame, names: tuple[str, str]) -> int:
    """Add each run that did not finish by itself, faintly, with a cross where it ends; return how many."""
    init, activation = names
    colour, added = style_of(frames, init, activation).colour, 0
    statuses = frames.runs.set_index("id")["status"]
    for name, own in curves[curves["train_loss"].notna()].groupby("id", observed=True):
        own = own.iloc[_thinned(len(own))]
        status = statuses[name] if isinstance(statuses[name], str) else statuses[name].iloc[0]
        who = (f"{init} · {activation} · seed {own['seed'].iloc[0]} · {status}", init, activation)
        style = Style(colour=colour, alpha=0.6, width=0.8, marker="x", every=(-1,))
        added += panel.plot(own["step"].to_list(), own["train_loss"].to_list(), who, style)
    return added


def _curve_keys(frames: SweepFrames, layout: Layout, loose: int) -> list[Key]:
    levels = {key for panel in layout.panels for key in _levels(frames, panel)}
    entries = [reference(label, dash) for label, dash in sorted(levels, key=lambda one: one[0], reverse=True)]
    dot = Style(colour="none", marker="o", edge=INK, edge_width=0.6)
    entries.insert(0, Key(label="validation", style=dot))
    if loose:
        entries.append(
            Key(label="a run that did not finish", style=Style(colour=INK, alpha=0.6, width=0.8, marker="x"))
        )
    return entries


def _loss_caption(window: int, loose: int, layout: Layout) -> str:
    smooth = f", smoothed by a centred mean over {window} steps" if window > 1 else ""
    said = [
        f"Lower is better. Thin lines: training loss, the mean over finished seeds{smooth}.",
        "Markers: validation loss.",
        "Runs that did not finish are drawn alone, and end in a cross." if loose else "",
        layout.left_out,
    ]
    return " ".join(sentence for sentence in said if sentence)


def _add_profile(panel: PanelSheet, cell: Cell, data: pd.DataFrame) -> None:
    for step, (phase, colour, dash) in zip(_phase_steps(data), _PHASES, strict=True):
        own = data[data["step"] == step].groupby("layer")["value"].mean()
        who = (f"{cell.label} · {phase} probe: step {step}", cell.init, cell.activation)
        panel.plot(own.index.to_list(), own.to_list(), who, Style(colour=colour, dash=dash, width=1.2))


def _two_lines(cell: Cell) -> str:
    """The cell's name, its sizes on a line of their own, short enough for a quarter of a figure."""
    first, rest = f"{cell.init} · {cell.activation}", " · ".join(cell.label.split(" · ")[2:])
    return "\n".join(textwrap.shorten(line, 36, placeholder=" ...") for line in (first, rest) if line)


def _phase_keys(data: pd.DataFrame) -> list[Key]:
    """Name the probed steps by number where every cell has the same ones."""
    probed = {tuple(_phase_steps(own)) for _, own in data.groupby("cell_index")}
    steps = [f"step {step}" for step in probed.pop()] if len(probed) == 1 else [f"{p} probe" for p, _, _ in _PHASES]
    return [Key(label=step, style=Style(colour=c, dash=d)) for step, (_, c, d) in zip(steps, _PHASES, strict=True)]


def _phase_steps(data: pd.DataFrame) -> tuple[int, int, int]:
    """The first, the middle and the last probed step; probes stand closer early, so the middle one is early."""
    steps = [int(step) for step in sorted(data["step"].unique())]
    return steps[0], steps[len(steps) // 2], steps[-1]


def _thinned(length: int) -> list[int]:
    """Places of at most _MOST_POINTS points, the first and the last among them."""
    if length <= _MOST_POINTS:
        return list(range(length))
    return sorted({int(place) for place in np.linspace(0, length - 1, _MOST_POINTS).round()})
