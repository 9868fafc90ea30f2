"""How every figure looks, and how it becomes SVG and PNG: the same bytes for the same numbers.

Figures are built through matplotlib's objects, never pyplot's state.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from initlab.files.escaping import html, visible
from initlab.reporting.views.figure import (
    ALARM,
    INK,
    MUTED,
    PAPER,
    FigureView,
    HeatMap,
    Key,
    PanelView,
    Series,
    Style,
)

WIDTH = 9.2  # inches; every figure has it, so text has one size on the page
PNG_DPI = 120
_COLOURS = "cividis"  # the same order of lightness for every kind of colour vision
_LEGEND_CHARACTERS = 118  # of one legend line across WIDTH
_TITLE_CHARACTERS = 108  # of the titles of one row of panels

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "initlab",
    "path.simplify": False,  # a page finds a point's value by its place along the line
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": MUTED,
    "grid.alpha": 0.22,
    "grid.linewidth": 0.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "text.parse_math": False,  # a name may hold a dollar sign
}


@dataclass(frozen=True)
class Drawing:
    """A figure that was drawn."""

    view: FigureView
    figure: Figure

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def title(self) -> str:
        return self.view.title

    @property
    def caption(self) -> str:
        return self.view.caption

    @property
    def series(self) -> tuple[Series, ...]:
        return self.view.series

    def svg(self) -> str:
        """Return a stand-alone SVG on white."""
        return self._raw_svg.replace(INK, "#222222").replace(PAPER, "#ffffff")

    def inline_svg(self) -> str:
        """Return an SVG element for a page: ids of its own, the page's ink, no paper, a title on each series."""
        svg = self._raw_svg
        svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(PAPER, "none")
        svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'(<svg[^>]*?) (?:height|width)="[^"]*"([^>]*?) (?:height|width)="[^"]*"', r"\1\2", svg, count=1)
        svg = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
        svg = re.sub(r'\bid="', f'id="{self.name}-', svg)
        svg = re.sub(r'href="#', f'href="#{self.name}-', svg)
        svg = re.sub(r"url\(#", f"url(#{self.name}-", svg)
        for series in self.series:
            tag = f'<g id="{self.name}-{series.gid}">'
            svg = svg.replace(tag, f"{tag}<title>{html(series.label)}</title>")
        return svg

    def png(self) -> bytes:
        """Return a PNG on white."""
        stream = io.BytesIO()
        with looks():
            self.figure.savefig(stream, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
        return stream.getvalue()

    @cached_property
    def _raw_svg(self) -> str:
        stream = io.StringIO()
        with looks():
            self.figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        return visible(stream.getvalue())  # a label may be anybody's text


@contextmanager
def looks() -> Iterator[None]:
    """Matplotlib's settings for building and for saving a figure of ours, whatever a matplotlibrc says."""
    own = {name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith("backend")}
    settings: Any = own | _SETTINGS  # matplotlib types the keys as literals
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A name in letters the font lacks: the page's own fonts have them, and the PNG shows a box.
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def draw(view: FigureView) -> Drawing:
    """Draw a figure."""
    panels = len(view.panels)
    columns = 2 if panels == 4 and view.columns == 3 else min(view.columns, panels)
    rows = -(-panels // columns)
    height = view.height or {1: 3.6, 2: 3.2}.get(columns, 2.7)
    with looks():
        figure = Figure(figsize=(WIDTH, rows * height + 0.5))
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for spare in list(grid.flat)[panels:]:
            spare.remove()
        axes: list[Axes] = list(grid.flat)[:panels]
        for number, (ax, panel) in enumerate(zip(axes, view.panels, strict=True)):
            _panel(ax, panel, columns)
            if number + columns >= panels and view.xlabel:  # named once: under the lowest panel of each column
                ax.set_xlabel(view.xlabel)
            if number % columns == 0 and view.ylabel:  # and beside the first of each row
                ax.set_ylabel(view.ylabel)
        _legend(figure, view.legend)
        # Laid out once and for all: a figure that knew of an engine would be drawn twice for every file.
        ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.07).execute(figure)
    return Drawing(view, figure)


def _panel(ax: Axes, panel: PanelView, columns: int) -> None:
    if panel.small_title:
        ax.set_title(panel.title, fontsize=7.5)
    else:
        ax.set_title(_broken(panel.title, _TITLE_CHARACTERS // columns))
    if panel.heat is not None:
        _heat_map(ax, panel.heat)
        return
    if panel.x == "steps":
        ax.set_xscale("symlog", linthresh=1)
    if panel.y.log:
        log_scale(ax, panel.y.low or 0.0, panel.y.high or 0.0)
    elif panel.y.low is not None and panel.y.high is not None:
        ax.set_ylim(panel.y.low, panel.y.high)
    for series in panel.series:
        _series(ax, series)
    for level, dash in panel.levels:
        ax.axhline(level, color=INK, linestyle=dash, linewidth=0.9)
    _ticks(ax, panel)


def _series(ax: Axes, series: Series) -> None:
    ax.plot(series.x, series.y, gid=series.gid, **_line_style(series.style))
    if series.band is not None:  # its id has it hidden with its line
        low, high = np.array(series.band.low), np.array(series.band.high)
        ax.fill_between(
            series.band.x, low, high, color=series.band.colour, alpha=0.16, linewidth=0, gid=f"{series.gid}-band"
        )


def _line_style(style: Style) -> dict[str, Any]:
    every = list(style.every) if isinstance(style.every, tuple) else style.every
    optional = {
        "linewidth": style.width,
        "alpha": style.alpha,
        "markersize": style.size,
        "markeredgecolor": style.edge,
        "markeredgewidth": style.edge_width,
        "markevery": every,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"color": style.colour, "linestyle": style.dash, "marker": style.marker or None, **given}


def _ticks(ax: Axes, panel: PanelView) -> None:
    if panel.categories:
        ax.set_yticks(range(len(panel.categories)), panel.categories)
        ax.set_ylim(len(panel.categories) - 0.4, -0.6)
        ax.grid(axis="y", visible=False)
    _counts(ax, panel)
    if panel.x == "whole":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    elif panel.x == "few":
        ax.xaxis.set_major_locator(MaxNLocator(4))
    elif panel.x == "steps":
        ticks = [0, *(10**power for power in range(8) if 10**power <= panel.last_step)]
        ax.set_xticks(ticks, [f"{tick:,}".replace(",", " ") for tick in ticks])
        ax.set_xlim(-0.15, max(panel.last_step, 1) * 1.15)


def _counts(ax: Axes, panel: PanelView) -> None:
    """Write the counts beside a rule at the right edge, where no series reaches."""
    if not panel.counts:
        return
    at = ax.get_yaxis_transform()
    for place, text in panel.counts:
        ax.plot([0.84], [place], "x", color=ALARM, markersize=5, transform=at)
        ax.text(0.87, place, text, transform=at, va="center", fontsize=7)
    low, high = ax.get_xlim()
    ax.set_xlim(low, high + 0.25 * (high - low))
    ax.plot([0.81, 0.81], [0, 1], color=MUTED, linewidth=0.5, transform=ax.transAxes)


def _heat_map(ax: Axes, heat: HeatMap) -> None:
    """Colour the table's places and write each number where its colour is."""
    numbers = [value for row in heat.values for value in row if value is not None]
    scale = (LogNorm if heat.log else Normalize)(min(numbers), max(numbers) * (1 + 1e-9))
    table = np.array(
        [[np.nan if value is None else value for value in row] for row in heat.values]
    )  # (rows, columns)
    ax.pcolormesh(table, cmap=colormaps[_COLOURS], norm=scale, edgecolors="none")
    for y, (values, texts) in enumerate(zip(heat.values, heat.texts, strict=True)):
        for x, (value, text) in enumerate(zip(values, texts, strict=True)):
            dark = value is None or scale(value) > 0.55
            ink = INK if value is None else to_hex((0.05, 0.05, 0.05) if dark else (1.0, 1.0, 1.0))
            ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink, fontsize=8)
    ax.set_xticks([x + 0.5 for x in range(len(heat.columns))], list(heat.columns))
    ax.set_yticks([y + 0.5 for y in range(len(heat.rows))], list(heat.rows))
    ax.set_ylim(len(heat.rows), 0)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _broken(text: str, width: int) -> str:
    """Break a panel's title between its parts where it is wider than the panel."""
    lines: list[str] = []
    for part in text.split(" · "):
        if lines and len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return "\n".join(lines)


def _legend(figure: Figure, keys: tuple[Key, ...]) -> None:
    """Put the legend below the panels, where it can cover nothing, in as many columns as its text allows."""
    if not keys:
        return
    longest = max(len(key.label) for key in keys)
    columns = max(1, min(len(keys), _LEGEND_CHARACTERS // (longest + 9)))
    handles = [Line2D([], [], label=key.label, **_line_style(key.style)) for key in keys]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=3)


def log_scale(ax: Axes, low: float, high: float) -> None:
    """Make y logarithmic over the positive range low..high, with ticks a reader can name.

    Less than a factor of 2 is shown as a factor of 2, so that a flat line looks flat.
    """
    ax.set_yscale("log", nonpositive="mask")
    if not 0 < low <= high:
        return
    middle, half = np.sqrt(low * high), max(np.sqrt(high / low), np.sqrt(2.0)) * 1.08
    ax.set_ylim(middle / half, middle * half)
    decades = 2 * np.log10(half)
    if decades > 2.5:
        ax.yaxis.set_major_locator(LogLocator(numticks=8))
    else:
        subs = (1.0, 2.0, 5.0) if decades > 1.3 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        ax.yaxis.set_major_locator(MaxNLocator(5) if decades < 0.7 else LogLocator(subs=subs))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    ax.yaxis.set_minor_formatter(NullFormatter())


def plain(value: float) -> str:
    """Return a tick label: 0.02 and 500 as they are, 1e-06 and 2e+05 as powers."""
    text = f"{value:g}"
    if "e" not in text:
        return text
    digits, power = text.split("e")
    return f"{digits}e{int(power)}".replace("-", "−")
