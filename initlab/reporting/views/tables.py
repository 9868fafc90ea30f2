"""Tables that a report shows: claims before its cells; differences, sensitivities, scaling at its end.

Each is left out where the sweep has nothing to say.
"""

from dataclasses import dataclass

from initlab.reporting.views.cell_table import NOTHING, number
from initlab.results.labels import short
from initlab.results.reading import Results
from initlab.stats.compare import TIE_MARGIN_NATS
from initlab.stats.sensitivity import STABLE_WITHIN_NATS
from initlab.stats.slopes import BAND
from initlab.stats.summaries import Interval
from initlab.verdicts.claims import NO_CLAIMS, JudgedClaims, stored_claims
from initlab.verdicts.contrasts import Contrast, PooledContrast, contrasts, pooled_contrasts
from initlab.verdicts.sweep_axes import Scaling, Sensitivity, scalings, sensitivities
from initlab.verdicts.verdict import Verdict


@dataclass(frozen=True)
class TableSection:
    """A table with a title, and a note on how it is to be read."""

    title: str
    note: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class AnalysisTables:
    """What the statements beside a sweep and its axes come to; ``judged`` are its claims, ``claims`` their table."""

    judged: JudgedClaims = NO_CLAIMS
    claims: tuple[TableSection, ...] = ()
    sections: tuple[TableSection, ...] = ()


def analysis_tables(results: Results) -> AnalysisTables:
    """Return every table that a sweep has something for."""
    judged = stored_claims(results)
    claims = [_claims(judged.verdicts)] if judged.verdicts else []
    if judged.problem:
        claims = [TableSection("Claims", f"Not judged: {judged.problem}")]
    rates, scales = sensitivities(results), scalings(results)
    compared = contrasts(results)
    settings = ([_pairs(compared)] if compared else []) + (
        [_overall(many)] if (many := pooled_contrasts(compared)) else []
    )
    measured = ([_sensitivities(rates)] if rates else []) + ([_scalings(scales)] if scales else [])
    return AnalysisTables(judged, tuple(claims), (*settings, *measured))


def _claims(verdicts: tuple[Verdict, ...]) -> TableSection:
    return TableSection(
        "Claims",
        "A claim is supported where the whole 95% interval is within what it states, in every cell it is about; "
        "refuted where the evidence against it stands after Holm's correction; else undecided.",
        ("verdict", "claim", "statement", "evidence"),
        tuple((one.verdict, one.id, one.text, one.reason) for one in verdicts),
    )


def _pairs(rows: list[Contrast]) -> TableSection:
    return TableSection(
        "Differences",
        "Difference in final loss (nats per token) against the first init or activation of the sweep, all else "
        "equal, paired by seed; diverged runs count at the loss at init. p is corrected for the whole table (Holm). "
        f"A tie is a difference within ±{TIE_MARGIN_NATS:g} nats by two one-sided tests. Minimum detectable is the "
        "difference that as many seeds detect with 80% power.",
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
                _signed(row.comparison.difference) + _interval(row.comparison.interval),
                NOTHING if row.p is None else f"{row.p:.2g}",
                row.answer + (f" ({row.exact.describe()})" if row.exact and row.answer == "undecided" else ""),
                number(row.minimum_detectable),
                str(row.n),
                f"{row.diverged}; rate{_interval(row.diverged_rate, '.0%')}" if row.diverged else "0",
            )
            for row in rows
        ),
    )


def _overall(rows: list[PooledContrast]) -> TableSection:
    return TableSection(
        "Differences over all settings",
        "Interquartile mean of the paired differences in final loss over settings and seeds, with a 95% bootstrap "
        "stratified by setting, which takes settings for independent.",
        ("", "against", "settings", "difference, 95% interval"),
        tuple(
            (row.candidate, row.reference, str(row.settings), _signed(row.difference) + _interval(row.interval))
            for row in rows
        ),
    )


def _sensitivities(rows: list[Sensitivity]) -> TableSection:
    return TableSection(
        "Sensitivity to the learning rate",
        "Mean over the grid of the final loss above the best one, diverged runs at the loss at init (Wortsman et "
        f"al., arXiv 2309.14322). Stable are the rates around the best within {STABLE_WITHIN_NATS:g} nats of it at "
        "which no seed diverged. An optimum at an end of the grid may lie beyond it.",
        ("cells", "rates", "seeds", "sensitivity (nats), 95% interval", "best rate", "stable range", "diverged"),
        tuple(
            (
                row.label,
                str(row.rates),
                str(row.n),
                number(row.sensitivity) + _interval(row.interval),
                f"{row.optimum:.2g}" + (" (an end)" if row.at_edge else ""),
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
                number(row.slope.exponent) + _interval(row.slope.interval),
                str(row.slope.n),
                row.slope.trend,
            )
            for row in rows
        ),
    )


def _signed(value: float) -> str:
    return number(value, "+.3f")


def _interval(interval: Interval | None, form: str = ".3f") -> str:
    return "" if interval is None else f" [{number(interval.low, form)}, {number(interval.high, form)}]"
