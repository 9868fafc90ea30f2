"""Figures of networks before their first step, which every run has, trained or not, and of that step."""

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes

from initlab.reporting.canvas import INK, Drawing, Sheet, log_scale, looks, whole_ticks
from initlab.reporting.panels import at_first_update, at_init, handles, lay_out, look, reference
from initlab.results.frames import SweepFrames

_BAND = "Lines are means over seeds, bands run from the least to the greatest seed."
_PREDICTED = (
    "Broken thin lines are what theory expected from the laws alone, before anything was drawn, and the bands about "
    "them the standard deviation of one draw seen through one batch."
)
PREDICTED = (0, (3, 2))
_LAYERS = "Layer 0 is after the embedding, b after block b, and a half after the attention of the next."


def residual_variance(frames: SweepFrames) -> Drawing | None:
    """Residual variance against layer at step 0."""
    return _along_depth(
        frames,
        "residual_var",
        name="residual-variance",
        title="Residual stream at init",
        ylabel="variance over channels",
        caption="Variance of the residual stream against depth, before the first step. A flat line keeps its scale; "
        "a straight rise on this logarithmic axis grows by a constant factor a layer.",
        predicted=True,
    )


def token_cosine(frames: SweepFrames) -> Drawing | None:
    """Mean cosine between tokens against layer at step 0."""
    return _along_depth(
        frames,
        "token_cosine",
        name="token-cosine",
        title="Do tokens stay apart?",
        ylabel="mean cosine (no unit)",
        caption="Mean cosine between the residual vectors of two tokens, before the first step. Towards 1 all tokens "
        "look alike (rank collapse).",
        log=False,
    )


def gradient_rms(frames: SweepFrames) -> Drawing | None:
    """Root mean square of the loss gradient at the residual stream against layer at step 0."""
    return _along_depth(
        frames,
        "grad_rms",
        name="gradient-rms",
        title="Gradients at init",
        ylabel="rms of dloss/dx (nats)",
        caption="Root mean square of the loss gradient with respect to the residual stream, before the first step. "
        "A rise towards layer 0 is a gradient that grows on its way back.",
    )


def branches(frames: SweepFrames) -> Drawing | None:
    """Mean square of what attention and MLP of each block add to the stream at step 0."""
    return _by_block(
        frames,
        {"attn_ms": "attention", "mlp_ms": "MLP"},
        name="branches",
        title="What each block adds",
        ylabel="mean square of the\nbranch's output",
        caption="What attention and MLP of each block add to the stream (mean square), before the first step; blocks "
        "count from 1.",
    )


def first_updates(frames: SweepFrames) -> Drawing | None:
    """How far the first update moves the MLP's two matrices of each block, against their size."""
    return _by_block(
        frames,
        {"update_ratio_ffn_up": "up projection", "update_ratio_ffn_down": "down projection"},
        step=1,
        matters=at_first_update,
        name="first-update",
        title="How far the first step moves the weights",
        ylabel="rms of the change\nover rms of weights",
        caption="How far the first update moves two matrices of each block, over their size; blocks count from 1. "
        "Adam's first step is as large as the learning rate for every weight, so that small weights are moved far.",
    )


def _by_block(
    frames: SweepFrames,
    probes: Mapping[str, str],
    *,
    step: int = 0,
    matters: Callable[[str], bool] = at_init,
    name: str,
    title: str,
    ylabel: str,
    caption: str,
) -> Drawing | None:
    """Draw two probes side by side, a number a block."""
    data = {probe: _at_step(frames, probe, step) for probe in probes}
    drawn = pd.concat(list(data.values()))
    if drawn.empty:
        return None
    known = set(drawn["cell_index"])
    layout = lay_out([cell for cell in frames.results.cells if cell.index in known], matters, most=3)
    with looks():
        sheet = Sheet(name, 2 * len(layout.panels), columns=2, height=2.7)
        masked: list[str] = []
        for number, panel in enumerate(layout.panels):
            for side, (probe, what) in enumerate(probes.items()):
                ax = sheet.axes[2 * number + side]
                sheet.title(ax, " · ".join(part for part in (what, panel.title) if part))
                _scale_log(ax, drawn)
                own = data[probe].assign(layer=(data[probe]["site"] + 1) // 2)
                masked += _lines(frames, sheet, ax, own, panel.lines)
                whole_ticks(ax)
        sheet.label("block", ylabel)
        sheet.legend(handles(frames, layout))
        return sheet.drawing(title, _join(caption, _BAND, _masked(masked), layout.left_out))


def _along_depth(
    frames: SweepFrames,
    probe: str,
    *,
    name: str,
    title: str,
    ylabel: str,
    caption: str,
    log: bool = True,
    predicted: bool = False,
) -> Drawing | None:
    data = _at_step(frames, probe)
    if data.empty:
        return None
    known = set(data["cell_index"])
    layout = lay_out([cell for cell in frames.results.cells if cell.index in known], at_init)
    theory = frames.predictions[frames.predictions["probe"] == (probe if predicted else "")]
    legend = handles(frames, layout)
    if len(theory):
        legend.append(reference("predicted, ± sd of one draw", PREDICTED))
    with looks():
        sheet = Sheet(name, len(layout.panels))
        masked: list[str] = []
        for ax, panel in zip(sheet.axes, layout.panels, strict=True):
            sheet.title(ax, panel.title)
            if log:
                _scale_log(ax, data)
            masked += _lines(frames, sheet, ax, data, panel.lines)
            _theory(frames, sheet, ax, theory, panel.lines)
            whole_ticks(ax)
        sheet.label("layer", ylabel)
        sheet.legend(legend)
        said = _PREDICTED if len(theory) else ""
        return sheet.drawing(title, _join(caption, _LAYERS, _BAND, said, _masked(masked), layout.left_out))


def _theory(
    frames: SweepFrames, sheet: Sheet, ax: Axes, theory: pd.DataFrame, lines: list[tuple[str, str, list[int]]]
) -> None:
    """Draw what was predicted of each line, and the band of one draw about it."""
    for init, activation, cells in lines:
        own = theory[theory["cell_index"].isin(cells)].groupby("layer")[["value", "band"]].mean()
        if own.empty:
            continue
        seen, layers = look(frames, init, activation), own.index.to_list()
        who = (f"{init} · {activation}, predicted", init, activation)
        gid = sheet.plot(ax, layers, own["value"].to_list(), who, color=INK, linestyle=PREDICTED, linewidth=0.8)
        if gid is not None:
            sheet.band(ax, gid, layers, own["value"] - own["band"], own["value"] + own["band"], seen.colour)


def _at_step(frames: SweepFrames, probe: str, step: int = 0) -> pd.DataFrame:
    """Rows of one probe at a step that hold a number."""
    layers = frames.layers
    chosen = layers[(layers["step"] == step) & (layers["probe"] == probe)]
    return chosen[chosen["value"].notna()]


def _scale_log(ax: Axes, data: pd.DataFrame) -> None:
    positive = data["value"][data["value"] > 0]
    log_scale(ax, float(positive.min()), float(positive.max())) if len(positive) else log_scale(ax, 0, 0)


def _lines(
    frames: SweepFrames, sheet: Sheet, ax: Axes, data: pd.DataFrame, lines: list[tuple[str, str, list[int]]]
) -> list[str]:
    """Draw mean and seed range of each line; return the names of those that are zero throughout."""
    zero = []
    for init, activation, cells in lines:
        own = data[data["cell_index"].isin(cells)]
        if own.empty:
            continue
        values = own.groupby("layer")["value"].agg(["min", "mean", "max"])
        seen = look(frames, init, activation)
        who = (f"{init} · {activation}", init, activation)
        layers = values.index.to_list()
        gid = sheet.plot(
            ax,
            layers,
            values["mean"].to_list(),
            who,
            color=seen.colour,
            linestyle=seen.dash,
            marker=seen.marker or None,
            markevery=max(1, len(layers) // 8),
        )
        if gid is None:
            zero.append(who[0])
        elif (values["max"] > values["min"]).any():
            sheet.band(ax, gid, layers, values["min"], values["max"], seen.colour)
    return zero


def _masked(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return f"Zero, and so not on a logarithmic axis: {', '.join(unique)}." if unique else ""


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
