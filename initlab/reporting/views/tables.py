"""Tables that a report shows: claims before its cells; differences, sensitivities, scaling at its end.

Each is left out where the sweep has nothing to say.
"""

from dataclasses import dataclass

from initlab.reporting.views.cell_table import NOTHING, number
from initlab.results.labels import short
from initlab.results.reading import Results
from initlab.stats.compare import TIE_MARGIN_NATS, Comparison
from initlab.stats.rates import Rate, blind_spot
from initlab.stats.sensitivity import STABLE_WITHIN_NATS
from initlab.stats.slopes import BAND
from initlab.stats.summaries import Interval
from initlab.verdicts.claims import NO_CLAIMS, JudgedClaims, stored_claims
from initlab.verdicts.contrasts import Contrast, PooledContrast, contrasts, pooled_contrasts
from initlab.verdicts.sweep_axes import Scaling, Sensitivity, scalings, sensitivities
from initlab.verdicts.verdict import fewest_seeds


@dataclass(frozen=True)
class TableSection:
    """A table with a title, and a note on how it is to be read."""

    title: str
    note: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class AnalysisTables:
    """What the statements beside a sweep and its axes come to; ``judged`` are its claims, ``claims`` their table.

    ``rates`` and ``scales`` are what the sections on learning rates and sizes show, as values.
    """

    judged: JudgedClaims = NO_CLAIMS
    claims: tuple[TableSection, ...] = ()
    sections: tuple[TableSection, ...] = ()
    rates: tuple[Sensitivity, ...] = ()
    scales: tuple[Scaling, ...] = ()


def analysis_tables(results: Results) -> AnalysisTables:
    """Return every table that a sweep has something for."""
    judged = stored_claims(results)
    claims = [_claims(judged)] if judged.verdicts else []
    if judged.problem:
        claims = [TableSection("Claims", f"Not judged: {judged.problem}")]
    rates, scales = sensitivities(results), scalings(results)
    compared = contrasts(results)
    settings = ([_pairs(compared)] if compared else []) + (
        [_overall(many)] if (many := pooled_contrasts(compared)) else []
    )
    measured = ([_sensitivities(rates)] if rates else []) + ([_scalings(scales)] if scales else [])
    return AnalysisTables(judged, tuple(claims), (*settings, *measured), tuple(rates), tuple(scales))


def _claims(judged: JudgedClaims) -> TableSection:
    family = (
        "over all measured claims of the file: at most one file in twenty refutes a true claim"
        if judged.family == "file"
        else "over the cells of the claim: at most one true claim in twenty is refuted, which is no promise for all "
        'of them together (family = "file" makes one)'
    )
    verdicts, seeds = judged.verdicts, fewest_seeds(judged.verdicts)
    return TableSection(
        "Claims",
        "A claim is supported where the whole 95% interval is within what it states, in every cell it is about; "
        f"refuted where the evidence against it stands after Holm's correction {family}; else undecided."
        + (f" {blind_spot(seeds)}" if seeds else ""),
        ("verdict", "claim", "statement", "evidence"),
        tuple((one.verdict, one.id, one.text, one.reason) for one in verdicts),
    )


def _pairs(rows: list[Contrast]) -> TableSection:
    return TableSection(
        "Differences",
        "Difference in final loss (nats per token) against the first init or activation of the sweep, all else "
        "equal, paired by seed; diverged runs count at the loss at init. p is corrected for the whole table (Holm). "
        f"A tie is a difference within ±{TIE_MARGIN_NATS:g} nats by two one-sided tests. Minimum detectable is the "
        "difference that as many seeds detect with 80% power. Limits of a rate of divergence are Clopper and "
        f"Pearson's. {blind_spot(min(row.n for row in rows))}",
        (
            "setting",
            "",
            "against",
            "difference, 95% interval",
            "p",
            "answer",
            "minimum detectable",
            "seeds",
            "diverged",
        ),
        tuple(
            (
                row.setting,
                row.candidate,
                row.reference,
                _difference(row.comparison),
                NOTHING if row.p is None else f"{row.p:.2g}",
                row.answer + (f" ({row.exact.describe()})" if row.exact and row.answer == "undecided" else ""),
                number(row.minimum_detectable),
                str(row.n),
                Rate(row.diverged, row.runs).describe("diverged") if row.runs else NOTHING,
            )
            for row in rows
        ),
    )


def _overall(rows: list[PooledContrast]) -> TableSection:
    return TableSection(
        "Differences over all settings",
        "Mean over settings of the difference in final loss, taken for each seed, with Student's 95% interval over "
        "seeds: settings of one sweep share seeds, so they are no independent samples. Only seeds that every setting "
        "has count. It speaks of these settings, not of others.",
        ("", "against", "settings", "difference, 95% interval", "seeds", "seeds left out"),
        tuple(
            (
                row.candidate,
                row.reference,
                str(row.settings),
                _difference(row.comparison),
                str(row.n),
                str(row.left_out),
            )
            for row in rows
        ),
    )


def _sensitivities(rows: list[Sensitivity]) -> TableSection:
    return TableSection(
        "Sensitivity to the learning rate",
        "Mean over the range of rates of the final loss above that at the best rate of the seeds' mean curve, "
        "diverged runs at the loss at init (Wortsman et al., arXiv 2309.14322): the plain mean over an even grid, by "
        "the trapezoid rule over an uneven one. The range enters it, so numbers over other ranges are not "
        "comparable. The interval allows for the bias of choosing the best rate from the same runs. Stable are the "
        f"rates around the best within {STABLE_WITHIN_NATS:g} nats of it at which no seed diverged; where rates "
        "between two of the grid would stop being so is not known. A best rate at an end of the grid is a bound: it "
        "may lie beyond.",
        (
            "cells",
            "rates",
            "range (decades)",
            "seeds",
            "sensitivity (nats), 95% interval",
            "best rate",
            "stable range",
            "diverged",
        ),
        tuple(
            (
                row.label,
                str(row.rates) + ("" if row.even else ", uneven"),
                f"{row.span[0]:g} to {row.span[1]:g} ({row.decades:.2g})",
                str(row.n),
                number(row.sensitivity) + _interval(row.interval),
                _best_rate(row.optimum, row.optimum_interval),
                f"{row.stable.low:g} to {row.stable.high:g}" if row.stable else NOTHING,
                f"{row.diverged} of {row.rates * row.n}",
            )
            for row in rows
        ),
    )


def _scalings(rows: list[Scaling]) -> TableSection:
    return TableSection(
        "Scaling with width and depth",
        "The exponent b of value ∝ size^b, one per seed, with Student's 95% interval. Constant where the interval is "
        f"within ±{BAND:g}. Moments are second moments: an rms has half the exponent.",
        ("cells", "over", "what", "exponent, 95% interval", "seeds", "verdict"),
        tuple(
            (
                row.label,
                short(row.axis),
                row.what,
                number(row.slope.exponent) + _interval(row.slope.interval) if row.slope else NOTHING,
                str(row.slope.n) if row.slope else NOTHING,
                row.slope.trend if row.slope else row.problem,
            )
            for row in rows
        ),
    )


def _signed(value: float) -> str:
    return number(value, "+.3f")


def _difference(comparison: Comparison) -> str:
    return _signed(comparison.difference) + _interval(comparison.interval)


def _best_rate(rate: float | None, interval: Interval | None) -> str:
    """Return a rate with its limits, or, of one at an end of the grid, what bounds it."""
    limits = interval.describe("{:.2g}".format) if interval else ""
    if rate is None:
        return f"{limits or 'not bounded'} (an end of the grid)"
    return f"{rate:.2g}" + (f" [{limits}]" if limits else "")


def _interval(interval: Interval | None, form: str = ".3f") -> str:
    limits = interval.describe(lambda limit: number(limit, form)) if interval else ""
    return limits and f" [{limits}]"
