"""Figures that compare cells by one number each."""

import math

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.ticker import MaxNLocator

from initlab.reporting.canvas import ALARM, INK, MUTED, Drawing, Sheet, looks
from initlab.reporting.panels import MOST_PANELS, Panel, at_init, everything, lay_out, look
from initlab.reporting.table import CellRow, cell_rows, factor, number
from initlab.results.frames import SweepFrames

_COLOURS = "cividis"  # the same order of lightness for every kind of colour vision


def final_losses(frames: SweepFrames) -> Drawing | None:
    """Every seed's final loss, and the cell's mean; how many runs diverged at the right edge."""
    rows = {row.index: row for row in cell_rows(frames)}
    cells = [cell for cell in frames.results.cells if cell.index in rows and _has_result(rows[cell.index])]
    if not cells:
        return None
    layout = lay_out(cells, everything, split_activations=False)
    names = list(dict.fromkeys((cell.init, cell.activation) for cell in cells))
    several = len(layout.activations) > 1
    with looks():
        columns = min(3, len(layout.panels))
        sheet = Sheet("final-loss", len(layout.panels), columns=columns, height=0.75 + 0.24 * len(names))
        for ax, panel in zip(sheet.axes, layout.panels, strict=True):
            sheet.title(ax, panel.title)
            _dots(frames, sheet, ax, panel, names, rows)
            labels = [f"{init} · {activation}" if several else init for init, activation in names]
            ax.set_yticks(range(len(names)), labels)
            ax.set_ylim(len(names) - 0.4, -0.6)
            ax.grid(axis="y", visible=False)
            ax.xaxis.set_major_locator(MaxNLocator(4))
        sheet.label("final loss (nats per token)", "")
        diverged = any(rows[cell.index].diverged for cell in cells)
        caption = [
            "Final loss of every seed (dots) and their mean (bar); lower, to the left, is better.",
            "A run that diverged counts with its loss at init; a cross at the right edge says how many did."
            if diverged
            else "",
            layout.left_out,
        ]
        return sheet.drawing("Final loss, seed by seed", " ".join(text for text in caption if text))


def heat_map(frames: SweepFrames) -> Drawing | None:
    """Init × activation: final loss where something was trained, else residual growth at init."""
    rows = [row for row in cell_rows(frames) if row.trained] or cell_rows(frames)
    trained = any(row.trained for row in rows)
    measured = {row.index: row.final_loss if trained else row.growth for row in rows}
    values = {index: value for index, value in measured.items() if value is not None and (trained or value > 0)}
    cells = [cell for cell in frames.results.cells if cell.index in values]
    inits, activations = (
        list(dict.fromkeys(getattr(cell, what) for cell in cells)) for what in ("init", "activation")
    )
    if len(inits) < 2 or len(activations) < 2:
        return None
    layout = lay_out(cells, everything if trained else at_init, most=MOST_PANELS, split_activations=False)
    with looks():
        sheet = Sheet("heat-map", len(layout.panels), columns=3, height=0.8 + 0.27 * len(inits))
        for ax, panel in zip(sheet.axes, layout.panels, strict=True):
            sheet.title(ax, panel.title)
            table = _table(panel, values, inits, activations)
            _coloured(ax, table, log=not trained)
        what = "Final loss (nats per token), mean over seeds" if trained else "Residual growth at init (×)"
        caption = f"{what}. Dark is low; each panel has its own colours; a dash is a cell without a number."
        title = "Init × activation"
        return sheet.drawing(title, " ".join(text for text in (caption, layout.left_out) if text))


def _has_result(row: CellRow) -> bool:
    return row.trained and (row.final_loss is not None or row.diverged > 0)


def _dots(
    frames: SweepFrames,
    sheet: Sheet,
    ax: Axes,
    panel: Panel,
    names: list[tuple[str, str]],
    rows: dict[int, CellRow],
) -> None:
    diverged = False
    for init, activation, cells in panel.lines:
        place, colour = names.index((init, activation)), look(frames, init, activation).colour
        for row in (rows[index] for index in cells):
            for seed, loss in row.final_loss_by_seed.items():
                who = (f"{row.label} · seed {seed}", init, activation)
                sheet.plot(
                    ax, [loss], [place], who, color=colour, marker="o", markersize=5, alpha=0.75, linestyle="none"
                )
            if row.final_loss is not None:
                who = (f"{row.label} · mean", init, activation)
                mean = {"color": INK, "marker": "|", "markersize": 11, "markeredgewidth": 1.6, "linestyle": "none"}
                sheet.plot(ax, [row.final_loss], [place], who, **mean)
            if row.diverged:
                diverged = True
                at = ax.get_yaxis_transform()
                ax.plot([0.84], [place], "x", color=ALARM, markersize=5, transform=at)
                ax.text(0.87, place, f"{row.diverged}/{row.planned}", transform=at, va="center", fontsize=7)
    low, high = ax.get_xlim()
    if diverged:
        ax.set_xlim(low, high + 0.25 * (high - low))
        ax.plot([0.81, 0.81], [0, 1], color=MUTED, linewidth=0.5, transform=ax.transAxes)


def _table(panel: Panel, values: dict[int, float], inits: list[str], activations: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(math.nan, index=inits, columns=activations)
    for cell in panel.cells:
        table.loc[cell.init, cell.activation] = values[cell.index]
    return table


def _coloured(ax: Axes, table: pd.DataFrame, *, log: bool) -> None:
    """Colour the table's places and write each number where its colour is."""
    found = [float(value) for value in table.to_numpy().ravel() if not math.isnan(value)]
    scale = (LogNorm if log else Normalize)(min(found), max(found) * (1 + 1e-9))
    colours = colormaps[_COLOURS]
    ax.pcolormesh(table.to_numpy(), cmap=colours, norm=scale, edgecolors="none")
    for y, init in enumerate(table.index):
        for x, activation in enumerate(table.columns):
            value = float(table.loc[init, activation])
            text = (factor if log else number)(None if math.isnan(value) else value)
            dark = math.isnan(value) or scale(value) > 0.55
            ink = INK if math.isnan(value) else to_hex((0.05, 0.05, 0.05) if dark else (1.0, 1.0, 1.0))
            ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=8)
    ax.set_xticks([x + 0.5 for x in range(len(table.columns))], list(table.columns))
    ax.set_yticks([y + 0.5 for y in range(len(table.index))], list(table.index))
    ax.set_ylim(len(table.index), 0)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
