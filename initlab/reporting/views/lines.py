"""Means over seeds as lines of a panel, the range of the seeds about them, and the axis they need."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from initlab.reporting.views.figure import Band, PanelSheet, Scale
from initlab.reporting.views.panels import style_of
from initlab.results.frames import SweepFrames


def log_over(values: "pd.Series[float]") -> Scale:
    """Return a logarithmic axis over all values that are positive."""
    positive = values[values > 0]
    if not len(positive):
        return Scale(log=True)
    return Scale(log=True, low=float(positive.min()), high=float(positive.max()))


def band_over(x: Sequence[float], low: "pd.Series[float]", high: "pd.Series[float]", colour: str) -> Band:
    """Return a band between two columns."""
    return Band(x=tuple(map(float, x)), low=tuple(map(float, low)), high=tuple(map(float, high)), colour=colour)


def add_lines(
    frames: SweepFrames,
    panel: PanelSheet,
    data: pd.DataFrame,
    lines: list[tuple[str, str, list[int]]],
    along: str = "layer",
) -> list[str]:
    """Add mean and seed range of each line along a column; return the names of those that are zero throughout."""
    zero = []
    for init, activation, cells in lines:
        own = data[data["cell_index"].isin(cells)]
        if own.empty:
            continue
        values = own.groupby(along)["value"].agg(["min", "mean", "max"])
        x = values.index.to_list()
        style = replace(style_of(frames, init, activation), every=max(1, len(x) // 8))
        spread = bool((values["max"] > values["min"]).any())
        band = band_over(x, values["min"], values["max"], style.colour) if spread else None
        who = (f"{init} · {activation}", init, activation)
        if not panel.plot(x, values["mean"].to_list(), who, style, band):
            zero.append(who[0])
    return zero
