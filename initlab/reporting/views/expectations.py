"""What was measured against what theory expected before step 0: tables for the report, and cells that stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from initlab.predictions.inputs import growth_law
from initlab.predictions.judge import ABSOLUTE, UNEXPLAINED, Fit, Misfit, judge
from initlab.predictions.scale_up import ScaleUp
from initlab.reporting.views.cell_table import NOTHING, factor, number
from initlab.reporting.views.tables import TableSection
from initlab.results.cells import Cell
from initlab.results.frames import SweepFrames
from initlab.results.reading import Results
from initlab.theory.growth import Growth

_CURVES = ("residual_ms", "attn_ms", "mlp_ms", "token_cosine", "grad_rms")

_NAMES = {
    "residual_ms": "the residual stream",
    "attn_ms": "what attention adds",
    "mlp_ms": "what the MLP adds",
    "token_cosine": "the cosine between tokens",
    "grad_ms": "the gradient",
    "initial_loss": "the loss at init",
}


@dataclass(frozen=True)
class Expected:
    """One predicted cell that was measured: how well it fits, and the growth laws of both."""

    cell: Cell
    predicted: dict[str, Any]
    fit: Fit
    growth: float
    law: Growth | None

    @property
    def flagged(self) -> bool:
        """Something disagrees, and every assumption holds."""
        return any(not misfit.explained for misfit in self.fit.misfits)

    @property
    def verdict(self) -> str:
        if not self.fit.misfits:
            return "as predicted"
        return "; ".join(_misfit(one) for one in self.fit.misfits)


def expected(frames: SweepFrames) -> list[Expected]:
    """Return every cell with a prediction and with measurements at step 0, in the order of the plan."""
    found = []
    for index, predicted in frames.results.predictions.items():
        measured = {} if "reason" in predicted else _measured(frames, index)
        fit = judge(predicted, measured) if measured else None
        if fit is None:
            continue
        blocks = [sum(values) / len(values) for values in zip(*measured["residual_ms"], strict=True)][::2]
        growth = blocks[-1] / blocks[0] if blocks[0] > 0 else float("nan")
        found.append(Expected(frames.results.cells[index], predicted, fit, growth, growth_law(blocks)))
    return found


def sections(results: Results, rows: Sequence[Expected]) -> list[TableSection]:
    """Return the tables of predictions and of outlooks, each where there is something to say."""
    found = []
    if rows:
        found.append(_agreement(rows))
    without = {index: one["reason"] for index, one in results.predictions.items() if "reason" in one}
    if without:
        reasons = dict.fromkeys((results.cells[index].init, reason) for index, reason in without.items())
        found.append(
            TableSection("Not predicted", "Theory has nothing to say of these.", ("init", "why"), tuple(reasons))
        )
    if results.outlooks:
        found.append(_scale_ups([ScaleUp.from_json(document) for document in results.outlooks]))
    return found


def flags(rows: Sequence[Expected]) -> list[str]:
    """Return a sentence for each cell that does not do what its laws say although every assumption holds."""
    return [f"{row.cell.label} does not do what theory predicts: {row.verdict}." for row in rows if row.flagged]


def _measured(frames: SweepFrames, index: int) -> dict[str, list[list[float]]]:
    """Return curves at step 0 by name, one list a seed that has them."""
    layers = frames.layers
    start = layers[(layers["cell_index"] == index) & (layers["step"] == 0) & layers["probe"].isin(_CURVES)]
    found: dict[str, list[list[float]]] = {}
    for (probe, _), rows in start.sort_values("site").groupby(["probe", "id"], observed=True):
        found.setdefault(str(probe), []).append(rows["value"].tolist())
    if "grad_rms" in found:
        found["grad_ms"] = [[value**2 for value in seed] for seed in found.pop("grad_rms")]
    losses = frames.runs[frames.runs["cell_index"] == index]["initial_loss"].dropna()
    found["initial_loss"] = [[float(loss)] for loss in losses]
    return found


def _agreement(rows: Sequence[Expected]) -> TableSection:
    return TableSection(
        "Predicted before training",
        "Theory knows the laws, the sizes and how often tokens repeat, never the model; each prediction was stored "
        "before step 0. Errors are of the residual stream's second moment over all sites (mean over seeds against "
        "prediction); in bands they are divided by the scatter that one draw of the weights should have, over the "
        "root of the number of seeds. A curve is named where it is further off than theory's own accuracy and four "
        f"bands together; “{UNEXPLAINED}” where none of theory's assumptions is broken. Laws are fitted over depth, "
        "with R².",
        (
            "cells",
            "seeds",
            "error, median",
            "error, worst (layer)",
            "in bands, median and worst",
            "growth: predicted, measured (×)",
            "law: predicted, measured",
            "verdict",
        ),
        tuple(_row(row) for row in rows),
    )


def _row(row: Expected) -> tuple[str, ...]:
    fit = row.fit
    return (
        row.cell.label,
        str(fit.seeds),
        f"{100 * fit.median_error:.1f}%",
        f"{_signed(100 * fit.worst_error)}% ({fit.worst_site / 2:g})",
        f"{number(fit.median_bands, '.1f')}, {number(fit.worst_bands, '.1f')}",
        f"{factor(row.predicted['growth'])}, {factor(row.growth)}",
        f"{_law(row.predicted['growth_law'])}, {_law(asdict(row.law) if row.law else None)}",
        row.verdict,
    )


def _law(law: Mapping[str, Any] | None) -> str:
    if law is None:
        return NOTHING
    name: str = law["law"]
    return name if name == "constant" else f"{name} ({law['r2']:.2f})"


def _misfit(misfit: Misfit) -> str:
    layer = misfit.site / 2 if misfit.curve in ("residual_ms", "token_cosine", "grad_ms") else misfit.site + 1
    where = "" if misfit.curve == "initial_loss" else f" in layer {layer:g}"
    unit = f"{_signed(misfit.error, '.2f')}" if misfit.curve in ABSOLUTE else f"{_signed(100 * misfit.error, '.0f')}%"
    return f"{_NAMES[misfit.curve]} is off by {unit}{where} ({misfit.bands:.0f} bands): {misfit.explanation}"


def _scale_ups(rows: Sequence[ScaleUp]) -> TableSection:
    return TableSection(
        "What the target would do",
        "The sizes that this sweep stands for, by theory. A fixed std gives the matrices of a narrow network less "
        "gain than those of a wide one (gain = width · std²), so its branches are quieter than the target's. The "
        "init offered has std · √(target's width / width): every matrix then has the gain it has there, and the "
        "embeddings are larger too, so that its growth is not the target's.",
        ("init", "growth here (×)", "at the target (×)", "last MLP adds: here, there", "offered", "its growth (×)"),
        tuple(
            (
                f"{row.init} · {row.activation}",
                f"{factor(row.proxy.growth)} at {row.proxy.sizes}",
                f"{factor(row.target.growth)} at {row.target.sizes}",
                f"{number(row.proxy.mlp_ms, '.2g')}, {number(row.target.mlp_ms, '.2g')}",
                row.offer or NOTHING,
                factor(row.offered.growth) if row.offered else NOTHING,
            )
            for row in rows
        ),
    )


def _signed(value: float, form: str = ".1f") -> str:
    return format(value, f"+{form}").replace("-", "−")
