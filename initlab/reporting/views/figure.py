"""A figure as a value: what is drawn where, before anything is drawn.

A ``FigureView`` holds numbers and styles alone, so that it can be drawn by any renderer, tested without one, and
handed to a notebook. ``Sheet`` is one in the making.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Dash: TypeAlias = str | tuple[int, tuple[int, ...]]
"""As matplotlib has it: ``"--"``, or an offset with the lengths of marks and gaps."""

INK = "#0a0b0c"
PAPER = "#fcfdfb"
"""Two colours nothing else uses, so that a page can have them follow its own light or dark theme."""
MUTED = "#7f7f7f"
ALARM = "#d55e00"


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a line or a point looks; None leaves it to the renderer."""

    colour: str = INK
    dash: Dash = "-"
    marker: str = ""
    width: float | None = None
    alpha: float | None = None
    size: float | None = None
    edge: str | None = None
    edge_width: float | None = None
    every: int | tuple[int, ...] | None = None
    """Which points have a marker: every so many, or these."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """A shaded range about a line, over the line's own x or another."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    colour: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, or points, in the order of x; ``gid`` is its id in the figure. Every coordinate is finite."""

    gid: str
    label: str
    init: str
    activation: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Style
    band: Band | None = None


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A y axis: logarithmic or not, over the range that it must show; None fits it to what is drawn."""

    log: bool = False
    low: float | None = None
    high: float | None = None


XScale: TypeAlias = Literal["plain", "whole", "few", "steps"]
"""Ticks of an x axis: as they come, at whole numbers, at few numbers, or at decades of steps after 0."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A table of numbers as colours, dark where low; None is a cell without a number. Shape (rows, columns)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    log: bool


@dataclass(frozen=True, kw_only=True)
class PanelView:
    """One panel: series over axes, or a heat map.

    ``levels`` are horizontal lines with their dashes. ``categories`` name whole numbers of the y axis, from the top.
    ``counts`` are texts beside a cross at the right edge, at heights of the y axis.
    """

    title: str = ""
    small_title: bool = False
    series: tuple[Series, ...] = ()
    levels: tuple[tuple[float, Dash], ...] = ()
    y: Scale = Scale()
    x: XScale = "plain"
    last_step: int = 0
    categories: tuple[str, ...] = ()
    counts: tuple[tuple[float, str], ...] = ()
    heat: HeatMap | None = None


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of the legend."""

    label: str
    style: Style


@dataclass(frozen=True, kw_only=True)
class FigureView:
    """A figure: its panels, in a grid of so many columns, and what is said about them.

    ``caption`` says what to look for, and what lines and bands are. ``height`` is that of a row of panels in inches.
    """

    name: str
    title: str
    caption: str
    panels: tuple[PanelView, ...]
    columns: int = 3
    height: float | None = None
    xlabel: str = ""
    ylabel: str = ""
    legend: tuple[Key, ...] = ()

    @property
    def series(self) -> tuple[Series, ...]:
        return tuple(series for panel in self.panels for series in panel.series)


@dataclass
class PanelSheet:
    """A panel in the making; ``sheet`` numbers its series."""

    sheet: "Sheet"
    view: PanelView = PanelView()
    series: list[Series] = field(default_factory=list)

    def set(self, **changes: Any) -> None:
        """Change what a :class:`PanelView` has beside its series."""
        self.view = replace(self.view, **changes)

    def plot(
        self,
        x: Sequence[float],
        y: Sequence[float],
        who: tuple[str, str, str],
        style: Style,
        band: Band | None = None,
    ) -> bool:
        """Add the finite points of one series, positive ones on a log axis; say whether there were any.

        ``who`` is its label, init and activation.
        """
        points = [(float(a), float(b)) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
        if self.view.y.log:
            points = [(a, b) for a, b in points if b > 0]
        if not points:
            return False
        across, up = zip(*points, strict=True)
        label, init, activation = who
        self.series.append(
            Series(
                gid=f"s{self.sheet.next_number()}",
                label=label,
                init=init,
                activation=activation,
                x=tuple(across),
                y=tuple(up),
                style=style,
                band=band,
            )
        )
        return True


class Sheet:
    """A figure in the making: ``panels`` of them."""

    def __init__(self, name: str, panels: int, *, columns: int = 3, height: float | None = None) -> None:
        self._name, self._columns, self._height, self._count = name, columns, height, 0
        self.panels = [PanelSheet(self) for _ in range(panels)]

    def next_number(self) -> int:
        """Return the number of the next series of the whole figure, from 0."""
        self._count += 1
        return self._count - 1

    def view(
        self, title: str, caption: str, *, xlabel: str = "", ylabel: str = "", legend: Sequence[Key] = ()
    ) -> FigureView:
        """Return the finished figure."""
        return FigureView(
            name=self._name,
            title=title,
            caption=caption,
            panels=tuple(replace(panel.view, series=tuple(panel.series)) for panel in self.panels),
            columns=self._columns,
            height=self._height,
            xlabel=xlabel,
            ylabel=ylabel,
            legend=tuple(legend),
        )
