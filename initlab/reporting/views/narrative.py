"""What the report says in words: what is compared, how far it is, and what came out.

The headline names the best cell of every setting, which is a set of cells that differ in nothing but their init,
activation and training knobs: losses of unequal sizes, corpora or budgets are not comparable.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from initlab.files.json import canonical_json
from initlab.reporting.views.cell_table import CellRow, factor, number
from initlab.results.cells import NAMES
from initlab.results.frames import SweepFrames
from initlab.results.labels import short
from initlab.results.reading import Results
from initlab.spec.fields import comparable
from initlab.stats.compare import mean_interval
from initlab.stats.summaries import mean
from initlab.store.run_state import STATUSES, UNSOUND

_MOST_NAMES = 12
_MOST_SETTINGS = 6


@dataclass(frozen=True)
class Banner:
    """Says that the numbers below are not the whole sweep."""

    kind: Literal["running", "partial"]
    text: str


def banner(results: Results) -> Banner | None:
    """Return a warning unless every run has ended with a result."""
    found = {status: number for status, number in results.counts.items() if number}
    total = len(results.runs)
    parts = [
        f"{found[status]} {status}" for status in (*UNSOUND, *STATUSES) if status != "finished" and status in found
    ]
    if set(found) <= {"finished", "diverged"}:
        return None
    done = f"{found.get('finished', 0)} of {total} runs finished"
    if "running" in found:
        return Banner(
            "running", f"Still running: {', '.join([done, *parts])}. Every number below is of what there is."
        )
    return Banner(
        "partial", f"Incomplete: {', '.join([done, *parts])}. The same sweep command resumes what is missing."
    )


def describe(frames: SweepFrames) -> str:
    """Return one paragraph: what is compared, on what, at which sizes."""
    cells, seeds = frames.results.cells, sorted(set(frames.runs["seed"]))
    inits, activations = frames.results.inits, frames.results.activations
    compared = f"{_count(len(inits), 'init')} ({_listed(inits)}) × {_count(len(activations), 'activation')}"
    trained = sorted({cell.steps for cell in cells if cell.steps})
    probed = sum(cell.steps == 0 for cell in cells)
    said = [
        f"{compared} ({_listed(activations)}), on GPTs of {_values(frames, 'model.n_layer')} layers and width "
        f"{_values(frames, 'model.n_embd')} ({_values(frames, 'model.n_head')} heads, context of "
        f"{_values(frames, 'model.block_size')} tokens), on the corpus {_values(frames, 'data.corpus')}."
    ]
    if trained:
        said.append(
            f"Trained for {_listed(trained)} steps of {_values(frames, 'train.batch_size')} sequences at a peak "
            f"learning rate of {_values(frames, 'train.lr')}."
        )
    if probed:
        whose = "All cells are" if probed == len(cells) else f"{probed} of {len(cells)} cells are"
        said.append(f"{whose} probed at init only and never trained.")
    said.append(f"{_count(len(cells), 'cell')}, {_count(len(frames.runs), 'run')}, {_count(len(seeds), 'seed')}.")
    return " ".join(said)


def headline(frames: SweepFrames, rows: list[CellRow]) -> list[str]:
    """Return what came out, a sentence or a few for each setting; an empty list while nothing has."""
    trained = [row for row in rows if row.trained]
    if not trained:
        return _growth_headline(rows)
    names = [name for name in trained[0].axes if not comparable(name) and _differs(name, trained)]
    settings: dict[str, list[CellRow]] = {}
    for row in trained:
        setting = ", ".join(f"{short(name)}={row.axes[name]}" for name in names)
        settings.setdefault(setting, []).append(row)
    said = [text for name, members in settings.items() if (text := _setting_headline(name, members))]
    rest = len(said) - _MOST_SETTINGS
    return [*said[:_MOST_SETTINGS], *([f"{rest} more settings are in the table."] if rest > 0 else [])]


def shared_settings(results: Results) -> list[tuple[str, str]]:
    """Return the fields that all cells share, by dotted name, with their values as text."""
    if not results.cells:
        return []
    first = results.cells[0]
    fields = [(name, value) for name, value in first.fields.items() if name not in {*NAMES, *first.axes}]
    return [(name, _said(value)) for name, value in fields]


def versions(results: Results) -> list[tuple[str, str]]:
    """Return what the first run recorded of its machine and software, nested names dotted."""
    return sorted(_flat("", results.env))


def _setting_headline(name: str, rows: list[CellRow]) -> str:
    ended = [(row.final_loss, row) for row in rows if row.final_loss is not None]
    if not ended:
        return ""
    ranked = sorted(ended, key=lambda pair: pair[0])
    loss, best = ranked[0]
    said = [f"{name}: " if name else "", f"the lowest mean final loss is {_competitor(best)} at {number(loss)}"]
    said.append(f" ± {number(best.final_loss_sd)}" if best.final_loss_sd is not None else "")
    said.append(f" nats/token ({_seeds(best)}).")
    if len(ranked) > 1:
        said.append(_gap(best, ranked[1][1]))
    if best.diverged:
        said.append(f" {best.diverged} of its {best.planned} runs diverged and count with their loss at init.")
    if any(row.finished + row.diverged < row.planned for row in rows):
        said.append(" Runs are outstanding, so this may change.")
    text = "".join(said)
    return text[0].upper() + text[1:] if not name else text


def _seeds(row: CellRow) -> str:
    n = len(row.final_loss_by_seed)
    if n == 1:
        return "one seed: no spread"
    if n == 2:
        return "n = 2 seeds: the spread is not a test"
    return f"mean ± sd, n = {n} seeds"


def _gap(best: CellRow, second: CellRow) -> str:
    """How far the second is: paired by seed, because equal seeds share batches and directions."""
    shared = sorted(set(best.final_loss_by_seed) & set(second.final_loss_by_seed))
    gaps = [second.final_loss_by_seed[seed] - best.final_loss_by_seed[seed] for seed in shared]
    unpaired = (second.final_loss or 0.0) - (best.final_loss or 0.0)
    said = f" Next is {_competitor(second)}, {number(mean(gaps) if gaps else unpaired)} nats behind"
    interval = mean_interval(gaps) if len(gaps) > 2 else None
    if interval is None:
        return said + "."
    verdict = (
        "these seeds do not separate the two"
        if interval.low <= 0 <= interval.high
        else "the pair was picked after looking, so read it as a hint and not as a test"
    )
    return f"{said}, paired by seed (95% t interval {number(interval.low)} to {number(interval.high)}): {verdict}."


def _growth_headline(rows: list[CellRow]) -> list[str]:
    known = sorted(((row.growth, row) for row in rows if row.growth is not None), key=lambda pair: pair[0])
    if not known:
        return []
    (least, low), (most, high) = known[0], known[-1]
    text = f"Nothing was trained. The residual stream grows ×{factor(least)} in {low.label}"
    if low is high:
        return [f"{text} (second moment after the last block over that after the embedding)."]
    return [
        f"{text}, the least, and ×{factor(most)} in {high.label}, the most "
        "(second moment after the last block over that after the embedding)."
    ]


def _differs(name: str, rows: list[CellRow]) -> bool:
    return len({canonical_json(row.axes[name]) for row in rows}) > 1


def _competitor(row: CellRow) -> str:
    knobs = [f"{short(name)}={value}" for name, value in row.axes.items() if comparable(name)]
    return " · ".join([row.init, row.activation, *knobs])


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _listed(values: Iterable[Any]) -> str:
    """Return ``a, b and c``, with a count in place of what is too much to read."""
    names = [_said(value) for value in values]
    if len(names) > _MOST_NAMES:
        names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _values(frames: SweepFrames, name: str) -> str:
    found = {canonical_json(cell.fields.get(name)): cell.fields.get(name) for cell in frames.results.cells}
    values = list(found.values())
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    return _listed(values)


def _said(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(prefix: str, values: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(f"{prefix}{name}.", value)
        else:
            found.append((prefix + name, _said(value)))
    return found
