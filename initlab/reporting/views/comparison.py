"""Figures that compare cells by one number each."""

import math

from initlab.reporting.views.cell_table import CellRow, cell_rows, factor, number
from initlab.reporting.views.figure import INK, FigureView, HeatMap, PanelSheet, Sheet, Style
from initlab.reporting.views.panels import MOST_PANELS, Panel, at_init, everything, lay_out, style_of
from initlab.results.frames import SweepFrames


def final_losses(frames: SweepFrames) -> FigureView | None:
    """Every seed's final loss, and the cell's mean; how many runs diverged at the right edge."""
    rows = {row.index: row for row in cell_rows(frames)}
    cells = [cell for cell in frames.results.cells if cell.index in rows and _has_result(rows[cell.index])]
    if not cells:
        return None
    layout = lay_out(cells, everything, split_activations=False)
    names = list(dict.fromkeys((cell.init, cell.activation) for cell in cells))
    several = len(layout.activations) > 1
    columns = min(3, len(layout.panels))
    sheet = Sheet("final-loss", len(layout.panels), columns=columns, height=0.75 + 0.24 * len(names))
    for own, panel in zip(sheet.panels, layout.panels, strict=True):
        own.set(
            title=panel.title,
            x="few",
            categories=tuple(f"{init} · {activation}" if several else init for init, activation in names),
        )
        _add_dots(frames, own, panel, names, rows)
    diverged = any(rows[cell.index].diverged for cell in cells)
    caption = [
        "Final loss of every seed (dots) and their mean (bar); lower, to the left, is better.",
        "A run that diverged counts with its loss at init; a cross at the right edge says how many did."
        if diverged
        else "",
        layout.left_out,
    ]
    return sheet.view(
        "Final loss, seed by seed", " ".join(filter(None, caption)), xlabel="final loss (nats per token)"
    )


def heat_map(frames: SweepFrames) -> FigureView | None:
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
    sheet = Sheet("heat-map", len(layout.panels), columns=3, height=0.8 + 0.27 * len(inits))
    for own, panel in zip(sheet.panels, layout.panels, strict=True):
        own.set(title=panel.title, heat=_heat(panel, values, inits, activations, log=not trained))
    what = "Final loss (nats per token), mean over seeds" if trained else "Residual growth at init (×)"
    caption = f"{what}. Dark is low; each panel has its own colours; a dash is a cell without a number."
    return sheet.view("Init × activation", " ".join(filter(None, (caption, layout.left_out))))


def _has_result(row: CellRow) -> bool:
    return row.trained and (row.final_loss is not None or row.diverged > 0)


def _add_dots(
    frames: SweepFrames,
    own: PanelSheet,
    panel: Panel,
    names: list[tuple[str, str]],
    rows: dict[int, CellRow],
) -> None:
    counts = []
    for init, activation, cells in panel.lines:
        place, colour = names.index((init, activation)), style_of(frames, init, activation).colour
        dot = Style(colour=colour, dash="none", marker="o", size=5, alpha=0.75)
        bar = Style(colour=INK, dash="none", marker="|", size=11, edge_width=1.6)
        for row in (rows[index] for index in cells):
            for seed, loss in row.final_loss_by_seed.items():
                own.plot([loss], [place], (f"{row.label} · seed {seed}", init, activation), dot)
            if row.final_loss is not None:
                own.plot([row.final_loss], [place], (f"{row.label} · mean", init, activation), bar)
            if row.diverged:
                counts.append((float(place), f"{row.diverged}/{row.planned}"))
    own.set(counts=tuple(counts))


def _heat(panel: Panel, values: dict[int, float], inits: list[str], activations: list[str], *, log: bool) -> HeatMap:
    """Return the table of a panel's cells, inits by activations; a cell without a number has none."""
    by_name = {(cell.init, cell.activation): values[cell.index] for cell in panel.cells}
    table = [[by_name.get((init, activation)) for activation in activations] for init in inits]
    finite = [[None if value is None or math.isnan(value) else value for value in row] for row in table]
    text = factor if log else number
    return HeatMap(
        rows=tuple(inits),
        columns=tuple(activations),
        values=tuple(map(tuple, finite)),
        texts=tuple(tuple(text(value) for value in row) for row in finite),
        log=log,
    )
