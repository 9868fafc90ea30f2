"""Which cells stand in which panel, and what each init and activation looks like in every one of them.

A line is one init with one activation; whatever else varies makes panels. Too many panels are cut after the first
few, which are the deepest and widest, and the caption says how many are not drawn: the data hold them all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from initlab.files.json import canonical_json
from initlab.reporting.views.figure import INK, MUTED, Dash, Key, Style
from initlab.results.cells import Cell
from initlab.results.frames import SweepFrames
from initlab.results.labels import short
from initlab.spec.fields import phase_of

# Okabe and Ito's palette, which colour-blind readers can tell apart; their yellow vanishes on white, and is left out.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
MARKERS = ("", "s", "^", "D", "v", "X", "P")
DASHES: tuple[Dash, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))

MOST_PANELS = 6
MOST_LINES = 14  # of one panel; beyond, activations get panels of their own


@dataclass(frozen=True)
class Panel:
    """Cells that are drawn together; ``title`` says what they have in common."""

    title: str
    cells: tuple[Cell, ...]

    @property
    def lines(self) -> list[tuple[str, str, list[int]]]:
        """Init, activation and the numbers of their cells, in the order of the plan."""
        groups: dict[tuple[str, str], list[int]] = {}
        for cell in self.cells:
            groups.setdefault((cell.init, cell.activation), []).append(cell.index)
        return [(init, activation, numbers) for (init, activation), numbers in groups.items()]


@dataclass(frozen=True)
class Layout:
    """The panels of a figure, and a sentence about those that are left out (or an empty text)."""

    panels: tuple[Panel, ...]
    left_out: str

    @property
    def inits(self) -> list[str]:
        return list(dict.fromkeys(cell.init for panel in self.panels for cell in panel.cells))

    @property
    def activations(self) -> list[str]:
        return list(dict.fromkeys(cell.activation for panel in self.panels for cell in panel.cells))


def at_init(name: str) -> bool:
    """Whether a field can change a network before its first step."""
    return phase_of(name) == "init"


def at_first_update(name: str) -> bool:
    """Whether a field can change the first step."""
    return phase_of(name) in ("init", "first update")


def everything(name: str) -> bool:
    return True


def lay_out(
    cells: list[Cell],
    matters: Callable[[str], bool],
    most: int = MOST_PANELS,
    *,
    split_activations: bool = True,
) -> Layout:
    """Group cells into panels by the varying fields that matter; most informative (deepest, widest) first."""
    lines = len({(cell.init, cell.activation) for cell in cells})
    by_activation = split_activations and lines > MOST_LINES and len({cell.activation for cell in cells}) > 1
    named = [name for name in (cells[0].axes if cells else {}) if matters(name)]
    named = [name for name in named if len({canonical_json(cell.axes[name]) for cell in cells}) > 1]
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        title = " · ".join(f"{short(name)}={cell.axes[name]}" for name in named)
        if by_activation:
            title = " · ".join(part for part in (cell.activation, title) if part)
        groups.setdefault(title, []).append(cell)
    panels = [Panel(title, tuple(members)) for title, members in groups.items()]
    panels.sort(key=lambda panel: -_size(panel.cells[0]))
    rest = len(panels) - most
    left_out = (
        f"{rest} more panel{'s' * (rest > 1)} not drawn; the tables and CSV files hold them." if rest > 0 else ""
    )
    return Layout(tuple(panels[:most]), left_out)


def style_of(frames: SweepFrames, init: str, activation: str) -> Style:
    """Return the style of an init with an activation, the same in every figure of a report.

    Colour and marker tell the init, the dash tells the activation.
    """
    number = frames.results.inits.index(init)
    return Style(
        colour=PALETTE[number % len(PALETTE)],
        marker=MARKERS[number // len(PALETTE) % len(MARKERS)],
        dash=DASHES[frames.results.activations.index(activation) % len(DASHES)],
    )


def keys(frames: SweepFrames, layout: Layout) -> list[Key]:
    """Return legend entries: the inits by colour, then the activations by dash where there are several."""
    entries = []
    for init in layout.inits:
        style = style_of(frames, init, frames.results.activations[0])
        entries.append(Key(label=init, style=replace(style, dash="-")))
    if len(layout.activations) > 1:
        for activation in layout.activations:
            dash = style_of(frames, frames.results.inits[0], activation).dash
            entries.append(Key(label=activation, style=Style(colour=MUTED, dash=dash)))
    return entries


def reference(label: str, dash: Dash) -> Key:
    """Return a legend entry for a level that belongs to no cell."""
    return Key(label=label, style=Style(colour=INK, dash=dash, width=0.9))


def _size(cell: Cell) -> float:
    """Parameters in the blocks, up to a factor: what orders panels."""
    return cell.n_layer * float(cell.fields.get("model.n_embd", 1)) ** 2
