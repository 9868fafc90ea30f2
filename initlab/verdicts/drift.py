"""What changed between two stored sweeps without anybody measuring anything: laws of slots, fields of cells.

Exact: numbers are compared as stored, bit by bit.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from initlab.files.json import canonical_json
from initlab.results.cells import Cell
from initlab.results.reading import Results, canonical_init
from initlab.spec.fields import FIELDS

BEFORE: dict[str, Any] = {path: field.neutral for path, field in FIELDS.items()}
"""What a field was before there was such a field: a baseline stays valid when a newer initlab has more of them."""

MOST_NAMED = 8
"""Differences named in one sentence."""


@dataclass(frozen=True)
class DriftFound:
    """``differences`` name cell, slot or field, old and new value; ``problem`` says why nothing could be compared."""

    differences: list[str]
    compared: int
    problem: str | None = None

    @property
    def words(self) -> str:
        if not self.differences:
            return f"{self.compared} cells as in the baseline" if self.compared else "no cell is in the baseline too"
        rest = len(self.differences) - MOST_NAMED
        shown = _gathered(
            [(where, what) for where, _, what in (words.partition(": ") for words in self.differences[:MOST_NAMED])],
            lambda pair: pair[0],
            lambda pair: pair[1],
        )
        named = "; ".join(f"{where}: {', '.join(what)}" for where, what in shown.items())
        return named + (f"; and {rest} more" if rest > 0 else "")


def matching(sweep: Results, baseline: Results) -> Iterator[tuple[Cell, Cell]]:
    """Yield every cell of the sweep with its like in the baseline: the same init, activation and swept fields."""
    known = {_key(cell): cell for cell in baseline.cells}
    for cell in sweep.cells:
        if (like := known.get(_key(cell))) is not None:
            yield cell, like


def config_drift(sweep: Results, baseline: Results, ignore: Collection[str] = ()) -> DriftFound:
    """Compare every field of every cell, and the text it was trained on. ``ignore`` names fields by path."""
    here, there = {_key(cell): cell for cell in sweep.cells}, {_key(cell): cell for cell in baseline.cells}
    found = [f"{cell.label}: not in this sweep" for key, cell in there.items() if key not in here]
    found += [f"{cell.label}: not in the baseline" for key, cell in here.items() if key not in there]
    pairs = list(matching(sweep, baseline))
    changed = [
        (cell.label, _change(name, old.get(name, BEFORE.get(name)), new.get(name, BEFORE.get(name))))
        for cell, like in pairs
        for new, old in [(_config(cell), _config(like))]
        for name in {**old, **new}
        if name not in ignore and old.get(name, BEFORE.get(name)) != new.get(name, BEFORE.get(name))
    ]
    return DriftFound(_by_cells(changed, len(pairs)) + found, len(pairs))


def law_drift(sweep: Results, baseline: Results) -> DriftFound:
    """Compare the resolved law of every slot, the topology and the hook of every cell that both sweeps have."""
    pairs = list(matching(sweep, baseline))
    changed: list[tuple[str, str]] = []
    for cell, like in pairs:
        new, old = _laws(sweep, cell), _laws(baseline, like)
        if new is None or old is None:
            whose = sweep if new is None else baseline
            return DriftFound([], 0, f"{cell.label}: {whose.name} has stored no laws for it")
        if new != old:
            changed += [(cell.label, words) for words in law_differences(old, new)]
    return DriftFound(_by_cells(changed, len(pairs)), len(pairs))


def law_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two law tables: ``blocks.0-3.ffn_down.weight std 0.00707 -> 0.02``."""
    before, after = old["slots"], new["slots"]
    found = [(slot, "is gone") for slot in before if slot not in after]
    found += [(slot, "is new") for slot in after if slot not in before]
    found += [
        (slot, _change(name, before[slot].get(name), after[slot].get(name)))
        for slot in before
        if slot in after
        for name in {**before[slot], **after[slot]}
        if before[slot].get(name) != after[slot].get(name)
    ]
    topology = [
        f"topology {_change(name, old['topology'].get(name), new['topology'].get(name))}"
        for name in {**old["topology"], **new["topology"]}
        if old["topology"].get(name) != new["topology"].get(name)
    ]
    hook = [] if old.get("hook") == new.get("hook") else [_change("hook", old.get("hook"), new.get("hook"))]
    return [*_by_layers(found), *topology, *hook]


def _key(cell: Cell) -> str:
    return canonical_json([canonical_init(cell.init), cell.activation, cell.axes])


def _config(cell: Cell) -> dict[str, Any]:
    """Return every field by path, and the content of the corpus as far as a run has stored it."""
    corpus = next((c for run in cell.runs.values() if (c := run.config.get("corpus_sha256"))), None)
    return {**cell.fields, "init": canonical_init(cell.init), **({"corpus_sha256": corpus} if corpus else {})}


def _laws(sweep: Results, cell: Cell) -> dict[str, Any] | None:
    digest = next((laws for run in cell.runs.values() if (laws := run.config.get("laws"))), None)
    found: dict[str, Any] | None = sweep.laws.get(digest) if digest else None
    return found


def _change(name: str, old: Any, new: Any) -> str:
    return f"{name} {_said(old)} -> {_said(new)}"


def _said(value: Any) -> str:
    return "none" if value is None else f"{value!r}" if isinstance(value, float) else str(value)


def _by_cells(changed: list[tuple[str, str]], cells: int) -> list[str]:
    """Say a change once, with the cells it is in."""
    return [
        f"every cell: {words}" if len(where) == cells and cells > 1 else f"{_listed(where)}: {words}"
        for words, where in _gathered(changed, lambda pair: pair[1], lambda pair: pair[0]).items()
    ]


def _by_layers(found: list[tuple[str, str]]) -> list[str]:
    """Say once what is the same in several layers."""
    grouped = _gathered(found, lambda pair: (_layerless(pair[0]), pair[1]), lambda pair: pair[0])
    return [f"{slot.replace('*', _range(names))} {words}" for (slot, words), names in grouped.items()]


def _layerless(slot: str) -> str:
    return re.sub(r"^blocks\.\d+\.", "blocks.*.", slot)


def _range(slots: list[str]) -> str:
    layers = sorted(int(slot.split(".")[1]) for slot in slots if slot.startswith("blocks."))
    if len(layers) > 1 and layers == list(range(layers[0], layers[-1] + 1)):
        return f"{layers[0]}-{layers[-1]}"
    return ",".join(map(str, layers))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more cells" if len(names) > 3 else "")


def _gathered(
    items: list[tuple[str, str]], key: Callable[[tuple[str, str]], Any], value: Callable[[tuple[str, str]], str]
) -> dict[Any, list[str]]:
    groups: dict[Any, list[str]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(value(item))
    return groups
