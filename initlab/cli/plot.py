"""Curves in a terminal: braille dots on a logarithmic or linear axis, readable without colour and at 80 columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character by row and column (Unicode, block U+2800)."""

DECADES_LOG = 0.3
"""Range in decades from which on a positive axis is logarithmic."""


@dataclass(frozen=True)
class Curve:
    """``y`` at x = 0, 1, 2, ...; ``name`` is written at its end."""

    name: str
    y: Sequence[float]


def plot(curves: Sequence[Curve], *, title: str, xlabel: str, width: int = 78, height: int = 11) -> list[str]:
    """Return the lines of a plot of curves that share an axis; values that have no place on it are left out."""
    values = [value for curve in curves for value in curve.y if math.isfinite(value)]
    if not values:
        return []
    axis = _Axis.of(values)
    names = max(len(curve.name) for curve in curves) if len(curves) > 1 else 0
    margin = max(len(label) for label in axis.labels(height)) + 2
    columns = max(10, width - margin - max(names, len(xlabel)) - 2)
    last = max(len(curve.y) for curve in curves) - 1
    canvas = _Canvas(columns, height)
    for curve in curves:
        points = [(x / max(last, 1), axis.place(y)) for x, y in enumerate(curve.y)]
        canvas.trace([(x, y) for x, y in points if y is not None])
    marks = _end_names(curves, axis, height) if names else {}
    labels = axis.labels(height)
    body = []
    for row, text in enumerate(canvas.rows()):
        edge = f"{labels[row]:>{margin - 2}} {'┤' if labels[row] else '│'}"
        body.append(f"{edge}{text}  {marks.get(row, '')}".rstrip())
    return [f"{title} ({'log' if axis.log else 'linear'} scale)", *body, *_below(margin, columns, last, xlabel)]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Axis":
        positive = [value for value in values if value > 0]
        if positive and len(positive) == len(values) and math.log10(max(values) / min(values)) >= DECADES_LOG:
            return cls(min(values), max(values), log=True)
        low, high = min(values), max(values)
        pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - pad, high + pad, log=False)

    def place(self, value: float) -> float | None:
        """Return where a value stands, 0 at the bottom and 1 at the top."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def labels(self, height: int) -> list[str]:
        """Return a label for every third row, top first; the rest are empty."""
        found = []
        for row in range(height):
            share = 1 - row / (height - 1)
            value = (
                self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
            )
            found.append(f"{value:.2g}" if row % 3 == 0 or row == height - 1 else "")
        if height > 2 and found[-2] and found[-1]:
            found[-2] = ""
        return found


class _Canvas:
    """A grid of braille characters, two dots wide and four high each."""

    def __init__(self, columns: int, rows: int) -> None:
        self._cells = [[0] * columns for _ in range(rows)]
        self._across, self._up = 2 * columns - 1, 4 * rows - 1

    def trace(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line through points of the unit square."""
        dots = [(x * self._across, (1 - y) * self._up) for x, y in points]
        if len(dots) == 1:
            self._dot(*dots[0])
        for (x0, y0), (x1, y1) in pairwise(dots):
            steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
            for step in range(steps + 1):
                self._dot(x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps)

    def _dot(self, x: float, y: float) -> None:
        column, row = round(x), round(y)
        self._cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]

    def rows(self) -> list[str]:
        return ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in self._cells]


def _end_names(curves: Sequence[Curve], axis: _Axis, height: int) -> dict[int, str]:
    """Return the names at the curves' ends by row, moved to the nearest free row where two would collide."""
    found: dict[int, str] = {}
    for curve in curves:
        place = axis.place(curve.y[-1])
        wanted = height - 1 if place is None else round((1 - place) * (height - 1))
        for row in sorted(range(height), key=lambda row: (abs(row - wanted), row)):
            if row not in found:
                found[row] = curve.name
                break
    return found


def _below(margin: int, columns: int, last: int, xlabel: str) -> list[str]:
    ticks = sorted({0, last, *(round(last * share) for share in (0.25, 0.5, 0.75))})
    line, numbers = ["─"] * columns, [" "] * columns
    for tick in ticks:
        column = round(tick / max(last, 1) * (columns - 1))
        line[column] = "┴"
        text = str(tick)
        start = max(0, column - len(text) + 1 if tick == last and last else column)
        numbers[start : start + len(text)] = text
    return [" " * (margin - 1) + "└" + "".join(line), " " * margin + "".join(numbers[:columns]) + f"  {xlabel}"]
