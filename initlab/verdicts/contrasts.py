"""Which settings differ: every init against the first one of the sweep, and every activation against the first.

Within a setting, which is a set of trained cells equal in all else. All contrasts of a sweep are one family of tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from initlab.results.cells import Cell
from initlab.results.metrics import METRICS
from initlab.results.reading import Results
from initlab.stats.censor import rate_interval
from initlab.stats.compare import Answer, Comparison, compare
from initlab.stats.interquartile import interquartile_mean, iqm_interval
from initlab.stats.multiple_testing import holm
from initlab.stats.permutation import ExactTest
from initlab.stats.power import minimum_detectable_difference
from initlab.stats.summaries import Interval
from initlab.verdicts.evidence import SeedValues, common_label, exact_test, grouped, measured, varying

AXES = ("init", "activation")


@dataclass(frozen=True)
class Contrast:
    """``candidate`` minus ``reference`` in final loss (nats per token, diverged runs at their start).

    ``p`` is corrected for the family; ``minimum_detectable`` is the difference in nats that as many seeds detect with
    a power of 80%, given the spread of these. ``diverged`` and ``diverged_rate`` are the candidate's.
    """

    candidate: str
    reference: str
    setting: str
    n: int
    comparison: Comparison
    exact: ExactTest | None
    p: float | None
    answer: Answer
    minimum_detectable: float | None
    diverged: int
    diverged_rate: Interval


@dataclass(frozen=True)
class PooledContrast:
    """``candidate`` minus ``reference`` over many settings, in nats: the interquartile mean of paired differences."""

    candidate: str
    reference: str
    settings: int
    difference: float
    interval: Interval


def contrasts(results: Results) -> list[Contrast]:
    """Return every contrast that finished cells allow, in the order of the sweep."""
    cells = [cell for cell in results.cells if cell.trained]
    uncorrected = [
        contrast
        for axis in AXES
        for group in grouped(cells, [axis], results)
        for contrast in _against_first(group, axis, cells)
    ]
    tested = [number for number, contrast in enumerate(uncorrected) if contrast.comparison.p is not None]
    adjusted = dict(zip(tested, holm([uncorrected[number].comparison.p or 0.0 for number in tested]), strict=True))
    return [
        replace(contrast, p=adjusted.get(number), answer=contrast.comparison.answer(p=adjusted.get(number)))
        for number, contrast in enumerate(uncorrected)
    ]


def pooled_contrasts(compared: Sequence[Contrast]) -> list[PooledContrast]:
    """Return one row for each two settings that are compared in enough cells for an interval."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for contrast in compared:
        groups.setdefault((contrast.candidate, contrast.reference), []).append(contrast.comparison)
    rows = []
    for (candidate, reference), comparisons in groups.items():
        cells = [comparison.differences for comparison in comparisons if comparison.differences]
        if (interval := iqm_interval(cells)) is not None:
            middle = interquartile_mean([difference for cell in cells for difference in cell])
            rows.append(PooledContrast(candidate, reference, len(cells), middle, interval))
    return rows


def _against_first(group: list[Cell], axis: str, cells: list[Cell]) -> list[Contrast]:
    label_fields = varying(cells)
    named = [(str(cell.fields[axis]), cell, measured(METRICS["final_loss"], cell)) for cell in group]
    finished = [(name, cell, losses) for name, cell, losses in named if not losses.problem and losses.values]
    if len(finished) < 2 or finished[0][1] is not group[0]:
        return []
    reference, _, reference_losses = finished[0]
    setting = common_label(group, label_fields, axis)
    return [
        _contrast(name, reference, setting, cell, losses, reference_losses) for name, cell, losses in finished[1:]
    ]


def _contrast(
    candidate: str, reference: str, setting: str, cell: Cell, losses: SeedValues, reference_losses: SeedValues
) -> Contrast:
    comparison = compare(losses.values, reference_losses.values)
    estimate = comparison.estimate
    diverged = sum(run.status == "diverged" for run in cell.runs.values())
    paired = comparison.method == "paired t"  # the power is that of a paired test
    return Contrast(
        candidate=candidate,
        reference=reference,
        setting=setting,
        n=estimate.n if estimate else 1,
        comparison=comparison,
        exact=exact_test(losses, reference_losses, comparison),
        p=comparison.p,
        answer="undecided",
        minimum_detectable=minimum_detectable_difference(estimate.sd, estimate.n) if estimate and paired else None,
        diverged=diverged,
        diverged_rate=rate_interval(diverged, len(cell.runs)),
    )
