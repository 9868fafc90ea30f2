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
class DriftReport:
    """``differences`` name cell, slot or field, old and new value; ``problem`` says why nothing could be compared."""

    differences: list[str]
    compared: int
    problem: str | None = None

    def describe(self) -> str:
        """Return the first differences by cell or slot, and how many more there are."""
        if not self.differences:
            return f"{self.compared} cells as in the baseline" if self.compared else "no cell is in the baseline too"
        rest = len(self.differences) - MOST_NAMED
        shown = _gathered(
            [(where, what) for where, _, what in (line.partition(": ") for line in self.differences[:MOST_NAMED])],
            lambda pair: pair[0],
            lambda pair: pair[1],
        )
        named = "; ".join(f"{where}: {', '.join(what)}" for where, what in shown.items())
        return named + (f"; and {rest} more" if rest > 0 else "")


def matching(results: Results, baseline: Results) -> Iterator[tuple[Cell, Cell]]:
    """Yield every cell with its counterpart in the baseline: the same init, activation and swept fields."""
    known = {_key(cell): cell for cell in baseline.cells}
    for cell in results.cells:
        if (counterpart := known.get(_key(cell))) is not None:
            yield cell, counterpart


def config_drift(results: Results, baseline: Results, ignore: Collection[str] = ()) -> DriftReport:
    """Compare every field of every cell, and the text it was trained on. ``ignore`` names fields by path."""
    by_key, baseline_by_key = (
        {_key(cell): cell for cell in results.cells},
        {_key(cell): cell for cell in baseline.cells},
    )
    unmatched = [f"{cell.label}: not in this sweep" for key, cell in baseline_by_key.items() if key not in by_key]
    unmatched += [f"{cell.label}: not in the baseline" for key, cell in by_key.items() if key not in baseline_by_key]
    pairs = list(matching(results, baseline))
    changed = [
        (cell.label, _change(name, old.get(name, BEFORE.get(name)), new.get(name, BEFORE.get(name))))
        for cell, counterpart in pairs
        for new, old in [(_config(cell), _config(counterpart))]
        for name in {**old, **new}
        if name not in ignore and old.get(name, BEFORE.get(name)) != new.get(name, BEFORE.get(name))
    ]
    return DriftReport(_by_cells(changed, len(pairs)) + unmatched, len(pairs))


def law_drift(results: Results, baseline: Results) -> DriftReport:
    """Compare the resolved law of every slot, the topology and the hook of every cell that both sweeps have."""
    pairs = list(matching(results, baseline))
    changed: list[tuple[str, str]] = []
    for cell, counterpart in pairs:
        new, old = _laws(results, cell), _laws(baseline, counterpart)
        if new is None or old is None:
            whose = results if new is None else baseline
            return DriftReport([], 0, f"{cell.label}: {whose.name} has stored no laws for it")
        if new != old:
            changed += [(cell.label, difference) for difference in law_differences(old, new)]
    return DriftReport(_by_cells(changed, len(pairs)), len(pairs))


def law_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two law tables: ``blocks.0-3.ffn_down.weight std 0.00707 -> 0.02``."""
    before, after = old["slots"], new["slots"]
    changed = [(slot, "is gone") for slot in before if slot not in after]
    changed += [(slot, "is new") for slot in after if slot not in before]
    changed += [
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
    return [*_by_layers(changed), *topology, *hook]


def _key(cell: Cell) -> str:
    return canonical_json([canonical_init(cell.init), cell.activation, cell.axes])


def _config(cell: Cell) -> dict[str, Any]:
    """Return every field by path, and the content of the corpus as far as a run has stored it."""
    corpus = next((c for run in cell.runs.values() if (c := run.config.get("corpus_sha256"))), None)
    return {**cell.fields, "init": canonical_init(cell.init), **({"corpus_sha256": corpus} if corpus else {})}


def _laws(results: Results, cell: Cell) -> dict[str, Any] | None:
    digest = next((stored for run in cell.runs.values() if (stored := run.config.get("laws"))), None)
    laws: dict[str, Any] | None = results.laws.get(digest) if digest else None
    return laws


def _change(name: str, old: Any, new: Any) -> str:
    return f"{name} {_text(old)} -> {_text(new)}"


def _text(value: Any) -> str:
    return "none" if value is None else f"{value!r}" if isinstance(value, float) else str(value)


def _by_cells(changed: list[tuple[str, str]], cells: int) -> list[str]:
    """Return each change once, with the cells it is in."""
    return [
        f"every cell: {change}" if len(where) == cells and cells > 1 else f"{_listed(where)}: {change}"
        for change, where in _gathered(changed, lambda pair: pair[1], lambda pair: pair[0]).items()
    ]


def _by_layers(changed: list[tuple[str, str]]) -> list[str]:
    """Return once what is the same in several layers."""
    grouped = _gathered(changed, lambda pair: (_layerless(pair[0]), pair[1]), lambda pair: pair[0])
    return [f"{slot.replace('*', _range(names))} {change}" for (slot, change), names in grouped.items()]


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
