"""Which settings differ: every init against the first one of the sweep, and every activation against the first.

Within a setting, which is a set of trained cells equal in all else. All comparisons of a sweep are one family.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from initlab.results.cells import Cell
from initlab.results.metrics import METRICS
from initlab.results.reading import Results
from initlab.stats.interquartile import interquartile_mean, iqm_interval
from initlab.stats.censor import rate_interval
from initlab.stats.compare import Answer, Comparison, compare
from initlab.stats.summaries import Interval
from initlab.stats.multiple_testing import holm
from initlab.stats.permutation import Exact
from initlab.stats.power import minimum_detectable
from initlab.verdicts.evidence import Series, common_label, exact_test, grouped, measured, varying

AXES = ("init", "activation")


@dataclass(frozen=True)
class Pair:
    """``of`` minus ``against`` in final loss (nats per token, diverged runs at their start).

    ``p`` is corrected for the family; ``detectable`` is the difference that as many seeds see four times in five,
    given the spread of these. ``diverged`` and ``diverged_rate`` are of ``of``.
    """

    of: str
    against: str
    setting: str
    n: int
    comparison: Comparison
    exact: Exact | None
    p: float | None
    answer: Answer
    detectable: float | None
    diverged: int
    diverged_rate: Interval


@dataclass(frozen=True)
class Overall:
    """``of`` minus ``against`` over many settings: the interquartile mean of all paired differences."""

    of: str
    against: str
    settings: int
    difference: float
    interval: Interval


def pairs(sweep: Results) -> list[Pair]:
    """Return every comparison that finished cells allow, in the order of the sweep."""
    cells = [cell for cell in sweep.cells if cell.trained]
    found = [
        pair
        for axis in AXES
        for group in grouped(cells, [axis], sweep)
        for pair in _against_first(group, axis, cells)
    ]
    known = [number for number, pair in enumerate(found) if pair.comparison.p is not None]
    adjusted = dict(zip(known, holm([found[number].comparison.p or 0.0 for number in known]), strict=True))
    return [
        replace(pair, p=adjusted.get(number), answer=pair.comparison.answer(p=adjusted.get(number)))
        for number, pair in enumerate(found)
    ]


def overall(found: Sequence[Pair]) -> list[Overall]:
    """Return one row for each two settings that are compared in enough cells for an interval."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for pair in found:
        groups.setdefault((pair.of, pair.against), []).append(pair.comparison)
    rows = []
    for (of, against), comparisons in groups.items():
        cells = [comparison.differences for comparison in comparisons if comparison.differences]
        if (interval := iqm_interval(cells)) is not None:
            middle = interquartile_mean([difference for cell in cells for difference in cell])
            rows.append(Overall(of, against, len(cells), middle, interval))
    return rows


def _against_first(group: list[Cell], axis: str, cells: list[Cell]) -> list[Pair]:
    told = varying(cells)
    named = [(str(cell.fields[axis]), cell, measured(METRICS["final_loss"], cell)) for cell in group]
    whole = [(name, cell, series) for name, cell, series in named if not series.problem and series.values]
    if len(whole) < 2 or whole[0][1] is not group[0]:
        return []
    against, _, reference = whole[0]
    setting = common_label(group, told, axis)
    return [_pair(name, against, setting, cell, series, reference) for name, cell, series in whole[1:]]


def _pair(of: str, against: str, setting: str, cell: Cell, here: Series, there: Series) -> Pair:
    found = compare(here.values, there.values)
    estimate = found.estimate
    diverged = sum(run.status == "diverged" for run in cell.runs.values())
    return Pair(
        of=of,
        against=against,
        setting=setting,
        n=estimate.n if estimate else 1,
        comparison=found,
        exact=exact_test(here, there, found),
        p=found.p,
        answer="undecided",
        detectable=minimum_detectable(estimate.sd, estimate.n) if estimate and found.method == "paired t" else None,
        diverged=diverged,
        diverged_rate=rate_interval(diverged, len(cell.runs)),
    )
