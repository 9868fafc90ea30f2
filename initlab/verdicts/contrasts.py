"""Which settings differ: every init against the first one of the sweep, and every activation against the first.

Within a setting, which is a set of trained cells equal in all else. All contrasts of a sweep are one family of tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from initlab.results.cells import Cell
from initlab.results.metrics import METRICS
from initlab.results.reading import Results
from initlab.stats.compare import Answer, Comparison, compare
from initlab.stats.multiple_testing import holm
from initlab.stats.permutation import ExactTest
from initlab.stats.power import minimum_detectable_difference
from initlab.stats.rates import Rate
from initlab.stats.summaries import Interval
from initlab.verdicts.evidence import SeedValues, common_label, exact_test, grouped, measured, varying

AXES = ("init", "activation")


@dataclass(frozen=True)
class Contrast:
    """``candidate`` minus ``reference`` in final loss (nats per token, diverged runs at their start).

    ``p`` is corrected for the family; ``minimum_detectable`` is the difference in nats that as many seeds detect with
    a power of 80%, given the spread of these. ``diverged`` and ``diverged_rate`` (Clopper-Pearson) are the
    candidate's. ``losses`` and ``reference_losses`` are by seed.
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
    runs: int = 0
    losses: Mapping[int, float] = field(default_factory=dict)
    reference_losses: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PooledContrast:
    """``candidate`` minus ``reference`` over many settings, in nats: the mean over settings, one number a seed.

    Cells of one sweep share seeds, and with them batches and directions, so they are no independent samples; seeds
    are. ``comparison`` is therefore over seeds, of those that every setting has; ``left_out`` counts the others.
    """

    candidate: str
    reference: str
    settings: int
    comparison: Comparison
    left_out: int

    @property
    def difference(self) -> float:
        return self.comparison.difference

    @property
    def interval(self) -> Interval | None:
        return self.comparison.interval

    @property
    def n(self) -> int:
        return self.comparison.estimate.n if self.comparison.estimate else 1


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
    """Return one row for each two settings that are compared in several cells which share a seed or more."""
    groups: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in compared:
        groups.setdefault((contrast.candidate, contrast.reference), []).append(contrast)
    rows = [_pooled(members) for members in groups.values() if len(members) > 1]
    return [row for row in rows if row is not None]


def _pooled(members: Sequence[Contrast]) -> PooledContrast | None:
    """Return the mean over settings seed by seed, and its comparison; None where no seed is in every setting."""
    arms = [[member.losses for member in members], [member.reference_losses for member in members]]
    if all(contrast.comparison.method == "paired t" for contrast in members):  # of both arms, or of neither
        arms = [[_kept(own, other) for own, other in zip(*sides, strict=True)] for sides in (arms, arms[::-1])]
    means, reference_means = (_means(arm) for arm in arms)
    if not (means and reference_means):
        return None
    seeds = {seed for member in members for seed in (*member.losses, *member.reference_losses)}
    left_out = len(seeds - {*means, *reference_means})
    first, comparison = members[0], compare(means, reference_means)
    return PooledContrast(first.candidate, first.reference, len(members), comparison, left_out)


def _kept(own: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in own.items() if seed in other}


def _means(arm: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return the mean over settings of each seed that all of them have."""
    seeds = sorted(set.intersection(*(set(setting) for setting in arm)))
    return {seed: float(np.mean([setting[seed] for setting in arm])) for seed in seeds}


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
        diverged_rate=Rate(diverged, len(cell.runs)).interval(),
        runs=len(cell.runs),
        losses=losses.values,
        reference_losses=reference_losses.values,
    )
