"""How every figure looks, and how it becomes SVG and PNG: the same bytes for the same numbers.

Figures are built through matplotlib's objects, never pyplot's state. Ink and paper are two colours nothing else
uses, so that a page can have them follow its own light or dark theme.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

INK = "#0a0b0c"
PAPER = "#fcfdfb"
MUTED = "#7f7f7f"
# Okabe and Ito's palette, which colour-blind readers can tell apart; their yellow vanishes on white, and is left out.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
MARKERS = ("", "s", "^", "D", "v", "X", "P")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))
ALARM = "#d55e00"

WIDTH = 9.2  # inches; every figure has it, so text has one size on the page
PNG_DPI = 120
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
class Look:
    """Colour and marker tell the init, the dash tells the activation."""

    colour: str
    marker: str
    dash: Any


@dataclass(frozen=True)
class Series:
    """What one line or point of a figure shows; ``gid`` is its id in the SVG, x and y its points in order."""

    gid: str
    label: str
    init: str
    activation: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Drawing:
    """A finished figure. ``caption`` says what to look for, and what lines and bands are."""

    name: str
    title: str
    caption: str
    figure: Figure
    series: tuple[Series, ...]

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
            svg = svg.replace(tag, f"{tag}<title>{_escape(series.label)}</title>")
        return svg

    def png(self) -> bytes:
        stream = io.BytesIO()
        with looks():
            self.figure.savefig(stream, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
        return stream.getvalue()

    @cached_property
    def _raw_svg(self) -> str:
        stream = io.StringIO()
        with looks():
            self.figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        return stream.getvalue()


@contextmanager
def looks() -> Iterator[None]:
    """Matplotlib's settings for building and for saving a figure of ours."""
    settings: Any = _SETTINGS  # matplotlib types the keys as literals
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A name in letters the font lacks: the page's own fonts have them, and the PNG shows a box.
        warnings.filterwarnings("ignore", message="Glyph")
        yield


Numbers: TypeAlias = "pd.Series[float]"


class Sheet:
    """A figure in the making: a grid of panels, and the series drawn so far."""

    def __init__(
        self, name: str, panels: int, *, columns: int = 3, height: float | None = None, sharey: bool = True
    ) -> None:
        columns = 2 if panels == 4 and columns == 3 else min(columns, panels)
        rows = -(-panels // columns)
        self.name, self._columns = name, columns
        height = height or {1: 3.6, 2: 3.2}.get(columns, 2.7)
        self.figure = Figure(figsize=(WIDTH, rows * height + 0.5))
        grid = self.figure.subplots(rows, columns, sharey=sharey, squeeze=False)
        self.axes: list[Axes] = list(grid.flat)[:panels]
        for spare in list(grid.flat)[panels:]:
            spare.remove()
        self.series: list[Series] = []

    def plot(
        self, ax: Axes, x: Sequence[float], y: Sequence[float], who: tuple[str, str, str], **style: Any
    ) -> str | None:
        """Draw the finite points of one series and return its id; ``who`` is its label, init and activation."""
        points = [(float(a), float(b)) for a, b in zip(x, y, strict=True) if np.isfinite(a) and np.isfinite(b)]
        if ax.get_yscale() == "log":
            points = [(a, b) for a, b in points if b > 0]
        if not points:
            return None
        gid = f"s{len(self.series)}"
        across, up = zip(*points, strict=True)
        ax.plot(across, up, gid=gid, **style)
        self.series.append(Series(gid, *who, x=tuple(across), y=tuple(up)))
        return gid

    def band(self, ax: Axes, gid: str, x: Sequence[float], low: Numbers, high: Numbers, colour: str) -> None:
        """Shade the range around the series ``gid``, to be hidden with it."""
        ax.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0, gid=f"{gid}-band")

    def title(self, ax: Axes, text: str) -> None:
        """Put a panel's title above it, broken between its parts where it is wider than the panel."""
        lines: list[str] = []
        for part in text.split(" · "):
            if lines and len(lines[-1]) + len(part) + 3 <= _TITLE_CHARACTERS // self._columns:
                lines[-1] += f" · {part}"
            else:
                lines.append(part)
        ax.set_title("\n".join(lines))

    def label(self, xlabel: str, ylabel: str) -> None:
        """Name the axes once: x under the lowest panel of each column, y beside the first of each row."""
        for place, ax in enumerate(self.axes):
            if place + self._columns >= len(self.axes):
                ax.set_xlabel(xlabel)
            if place % self._columns == 0:
                ax.set_ylabel(ylabel)

    def legend(self, handles: list[Line2D]) -> None:
        """Put the legend below the panels, where it can cover nothing, in as many columns as its text allows."""
        if not handles:
            return
        longest = max(len(str(handle.get_label())) for handle in handles)
        columns = max(1, min(len(handles), _LEGEND_CHARACTERS // (longest + 9)))
        self.figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=3)

    def drawing(self, title: str, caption: str) -> Drawing:
        # Laid out once and for all: a figure that knew of an engine would be drawn twice for every file.
        ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.07).execute(self.figure)
        return Drawing(self.name, title, caption, self.figure, tuple(self.series))


def log_scale(axis_of: Axes, low: float, high: float) -> None:
    """Make y logarithmic over the positive range low..high, with ticks a reader can name.

    Less than a factor of 2 is shown as a factor of 2, so that a flat line looks flat.
    """
    axis_of.set_yscale("log", nonpositive="mask")
    if not 0 < low <= high:
        return
    middle, half = np.sqrt(low * high), max(np.sqrt(high / low), np.sqrt(2.0)) * 1.08
    axis_of.set_ylim(middle / half, middle * half)
    decades = 2 * np.log10(half)
    if decades > 2.5:
        axis_of.yaxis.set_major_locator(LogLocator(numticks=8))
    else:
        subs = (1.0, 2.0, 5.0) if decades > 1.3 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        axis_of.yaxis.set_major_locator(MaxNLocator(5) if decades < 0.7 else LogLocator(subs=subs))
        axis_of.yaxis.set_minor_locator(NullLocator())
    axis_of.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis_of.yaxis.set_minor_formatter(NullFormatter())


def plain(value: float) -> str:
    """Return a tick label: 0.02 and 500 as they are, 1e-06 and 2e+05 as powers."""
    text = f"{value:g}"
    if "e" not in text:
        return text
    digits, power = text.split("e")
    return f"{digits}e{int(power)}".replace("-", "−")


def whole_ticks(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
