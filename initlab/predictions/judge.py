"""A measurement against its prediction: how far it is, and what a disagreement means.

A site disagrees when the mean over seeds is further from the prediction than theory's own accuracy and the scatter of
draws together explain. If an assumption that the curve needs does not hold, that is why; if all do, either the
network is not what its laws say or theory misses something: a bug or a discovery.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias

from initlab.theory.validity import ACCURACY

BANDS = 4.0
"""Standard errors that a site may be off by chance. With a few independent sites in each of six curves, one cell in
about a thousand is then flagged for nothing."""

CLOSED_FORM = 2.0
"""How much less accurate the closed form is."""

UNEXPLAINED = "a bug or a discovery"

ABSOLUTE = frozenset({"token_cosine", "initial_loss"})

Seeds: TypeAlias = Sequence[Sequence[float]]
"""One list of values a seed: shape (seeds, sites)."""


@dataclass(frozen=True)
class Misfit:
    """The worst site of one curve that disagrees. ``error`` is relative (absolute for cosines and nats), ``bands`` in
    standard errors of the mean over seeds, ``site`` an index into the curve."""

    curve: str
    site: int
    error: float
    bands: float
    explanation: str

    @property
    def explained(self) -> bool:
        return self.explanation != UNEXPLAINED


@dataclass(frozen=True)
class Fit:
    """How the residual stream's second moment agrees over its sites, and which curves disagree.

    ``median_error`` and ``worst_error`` are relative, ``median_bands`` and ``worst_bands`` in standard errors;
    ``worst_site`` is where the worst error is.
    """

    seeds: int
    median_error: float
    worst_error: float
    worst_site: int
    median_bands: float
    worst_bands: float
    misfits: tuple[Misfit, ...]


def judge(predicted: Mapping[str, Any], measured: Mapping[str, Seeds]) -> Fit | None:
    """Compare the document of a prediction with curves by name, each of shape (seeds, sites).

    None where the stream's second moment was not measured at all of its sites.
    """
    stream, seeds = predicted["sites"]["residual_ms"], measured.get("residual_ms", ())
    if not _whole(stream, seeds):
        return None
    deviations = _deviations("residual_ms", predicted, seeds)
    worst = max(range(len(deviations)), key=lambda site: abs(deviations[site].error))
    return Fit(
        seeds=len(seeds),
        median_error=median(abs(one.error) for one in deviations),
        worst_error=deviations[worst].error,
        worst_site=worst,
        median_bands=median(one.bands for one in deviations),
        worst_bands=max(one.bands for one in deviations),
        misfits=tuple(_misfits(predicted, measured)),
    )


@dataclass(frozen=True)
class _Deviation:
    """``error`` and ``scatter``, the standard error of the mean over seeds, in one unit."""

    error: float
    scatter: float

    @property
    def bands(self) -> float:
        return 0.0 if self.error == 0 else abs(self.error) / self.scatter if self.scatter > 0 else math.inf


def _misfits(predicted: Mapping[str, Any], measured: Mapping[str, Seeds]) -> list[Misfit]:
    """Return at most one a curve, in the order in which what is wrong would spread."""
    misfits = []
    for curve in ("attn_ms", "mlp_ms", "residual_ms", "token_cosine", "grad_ms", "initial_loss"):
        seeds = measured.get(curve, ())
        if not _whole(_curve(curve, predicted), seeds):
            continue
        accuracy = ACCURACY[curve] * (CLOSED_FORM if predicted["method"] == "closed form" else 1)
        sites = _deviations(curve, predicted, seeds)
        over = [abs(one.error) - accuracy - BANDS * one.scatter for one in sites]
        site = max(range(len(over)), key=lambda one: over[one])
        if over[site] > 0:
            why = _explanation(curve, abs(sites[site].error) - BANDS * sites[site].scatter, predicted)
            misfits.append(Misfit(curve, site, sites[site].error, sites[site].bands, why))
    return misfits


def _deviations(curve: str, predicted: Mapping[str, Any], seeds: Seeds) -> list[_Deviation]:
    """Return, site by site, how far the mean over seeds is off: relative, but for cosines and nats."""
    expected, bands = _curve(curve, predicted) or (), predicted["bands"][curve]
    deviations = []
    for number, (value, band) in enumerate(zip(expected, bands, strict=True)):
        difference = sum(values[number] for values in seeds) / len(seeds) - value
        scatter = band / math.sqrt(len(seeds))  # of a mean of independent draws
        if curve in ABSOLUTE:
            deviations.append(_Deviation(difference, scatter))
        elif value > 0:
            deviations.append(_Deviation(difference / value, scatter / value))
        else:  # a branch that is predicted to be silent: it is, or it is off by everything
            deviations.append(_Deviation(math.copysign(math.inf, difference) if difference else 0.0, 0.0))
    return deviations


def _curve(curve: str, predicted: Mapping[str, Any]) -> Sequence[float] | None:
    if curve == "initial_loss":
        return [predicted["initial_loss"]]
    values: Sequence[float] | None = predicted["sites"].get(curve, predicted.get(curve))
    return values


def _whole(expected: Sequence[float] | None, seeds: Seeds) -> bool:
    return bool(expected and seeds) and all(
        len(values) == len(expected or ()) and all(map(math.isfinite, values)) for values in seeds
    )


def _explanation(curve: str, error: float, predicted: Mapping[str, Any]) -> str:
    """Return the assumptions that are broken and can cause an error of this size."""
    broken = [note for note in predicted["validity"] if curve in note["affects"] and error <= note["explains"]]
    return "; ".join(f"not so: {note['assumption']} ({note['message']})" for note in broken) or UNEXPLAINED
