"""An init in words: how ``list``, ``explain`` and the docs say what its laws are. Numbers come from the laws."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from initlab.network.blueprint import Blueprint
from initlab.network.laws import ONES, ZEROS, Law
from initlab.network.slots import BIAS, NORM_BIAS, NORM_GAIN, Slot

NEED_HEADS = {
    "multipliers": "mult",
    "scalar biases": "shift",
    "norms": "norm",
    "positions": "pos",
    "parallel block": "par",
    "logit soft-cap": "cap",
    "optimizer groups": "opt",
    "joint draws": "joint",
    "calibration batch": "batch",
}
"""What an init may need besides its weights, and how a narrow column is headed."""


@dataclass(frozen=True)
class LawRow:
    """The law of some slots in words; ``layers`` is empty outside the blocks."""

    slot: str
    layers: str
    shape: str
    start: str
    mult: str
    lr: str
    wd: str
    eps: str

    @property
    def law(self) -> tuple[str, ...]:
        return (self.start, self.mult, self.lr, self.wd, self.eps)


def law_rows(blueprint: Blueprint) -> list[LawRow]:
    """Return one row for every set of layers whose slots of one name share a law."""
    alike: dict[tuple[str, Law, tuple[int, ...]], list[Slot]] = {}
    for slot, law in blueprint.laws:
        alike.setdefault((_within_layer(slot), law, slot.shape), []).append(slot)
    return [
        _row(name + _sharing(blueprint, slots[0]), _layers(slots), law, slots[0])
        for (name, law, _), slots in alike.items()
    ]


def brief_rows(blueprint: Blueprint) -> list[LawRow]:
    """Return few rows: slots of one law together, a law that changes steadily with depth as first … last.

    Left out are norms and biases that start as the identity and move like everything else; shapes too.
    """
    by_name: dict[str, list[tuple[Slot, Law]]] = {}
    for slot, law in blueprint.laws:
        if not _is_plain(slot, law):
            name = _within_layer(slot).removesuffix(".weight") + _sharing(blueprint, slot)
            by_name.setdefault(name, []).append((slot, law))
    merged: dict[tuple[str, tuple[str, ...]], list[LawRow]] = {}
    for name, laws in by_name.items():
        for row in _over_depth(name, laws):
            merged.setdefault((row.layers, row.law), []).append(row)
    return [replace(rows[0], slot=", ".join(row.slot for row in rows), shape="") for rows in merged.values()]


def plain_text(text: str, *, code: str = "") -> str:
    """Return a docstring's text with every paragraph on one line and ``code`` in place of its double backticks."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraphs).replace("``", code)


def _within_layer(slot: Slot) -> str:
    return slot.name.split(".", 2)[2] if slot.layer is not None and slot.name.count(".") > 1 else slot.name


def _sharing(blueprint: Blueprint, slot: Slot) -> str:
    """Say what else a tied tensor is, and whether it starts by that role's law."""
    winner = "" if blueprint.drawn_as(slot) == slot.role else ", whose law it has"
    return f" (also {', '.join(slot.aliases)}{winner})" if slot.aliases else ""


def _row(name: str, layers: str, law: Law, slot: Slot) -> LawRow:
    numbers = [f"{value:g}" for value in (law.mult, law.lr, law.wd, law.eps)]
    return LawRow(name, layers, " × ".join(map(str, slot.shape)), _start(law), *numbers)


def _is_plain(slot: Slot, law: Law) -> bool:
    identity = {NORM_GAIN: ONES, NORM_BIAS: ZEROS, BIAS: ZEROS}.get(slot.role)
    return identity is not None and law == Law(dist=identity)


def _over_depth(name: str, laws: Sequence[tuple[Slot, Law]]) -> list[LawRow]:
    """Return the rows of one name: a single one where its numbers only rise or only fall from layer to layer."""
    by_law: dict[Law, list[Slot]] = {}
    for slot, law in laws:
        by_law.setdefault(law, []).append(slot)
    rows = [_row(name, _layers(slots), law, slots[0]) for law, slots in by_law.items()]
    if len(rows) <= 2 or len(rows) < len(laws) or not _steady([law for _, law in laws]):
        return rows
    first, last = rows[0], rows[-1]
    columns = [a if a == b else f"{a} … {b}" for a, b in zip(first.law, last.law, strict=True)]
    return [LawRow(first.slot, f"{first.layers} … {last.layers}", "", *columns)]


def _steady(laws: Sequence[Law]) -> bool:
    columns = zip(*((law.dist.mean, law.dist.std, law.mult, law.lr, law.wd, law.eps) for law in laws), strict=True)
    return all(list(column) in (sorted(column), sorted(column, reverse=True)) for column in columns)


def _layers(slots: Sequence[Slot]) -> str:
    layers = [slot.layer for slot in slots if slot.layer is not None]
    if not layers:
        return ""
    whole = layers == list(range(layers[0], layers[-1] + 1))
    return f"{layers[0]}-{layers[-1]}" if whole and len(layers) > 1 else ", ".join(map(str, layers))


def _start(law: Law) -> str:
    if law.joint:
        return "drawn jointly"
    if law.calibrated:
        return "measured on a batch"
    if law.dist.std == 0:
        return f"{law.dist.mean:g}" + ("" if law.train else ", fixed")
    bound = law.dist.support[1]
    bounds = f" on ±{bound:.6g}" if bound < float("inf") else ""
    return f"{law.dist.name}, std {law.dist.std:.6g}{bounds}"
