"""Figures of networks before their first step, which every run has, trained or not, and of that step."""

from collections.abc import Callable, Mapping

import pandas as pd

from initlab.reporting.views.figure import INK, FigureView, PanelSheet, Scale, Sheet, Style
from initlab.reporting.views.lines import add_lines, band_over, log_over
from initlab.reporting.views.panels import at_first_update, at_init, keys, lay_out, reference, style_of
from initlab.results.frames import SweepFrames

_BAND = "Lines are means over seeds, bands run from the least to the greatest seed."
_PREDICTED = (
    "Broken thin lines are what theory expected from the laws alone, before anything was drawn, and the bands about "
    "them the standard deviation of one draw seen through one batch."
)
PREDICTED = (0, (3, 2))
_LAYERS = "Layer 0 is after the embedding, b after block b, and a half after the attention of the next."


def residual_variance(frames: SweepFrames) -> FigureView | None:
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


def token_cosine(frames: SweepFrames) -> FigureView | None:
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


def gradient_rms(frames: SweepFrames) -> FigureView | None:
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


def branches(frames: SweepFrames) -> FigureView | None:
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


def first_updates(frames: SweepFrames) -> FigureView | None:
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
) -> FigureView | None:
    """Show two probes side by side, a number a block."""
    data = {probe: _at_step(frames, probe, step) for probe in probes}
    shown = pd.concat(list(data.values()))
    if shown.empty:
        return None
    measured = set(shown["cell_index"])
    layout = lay_out([cell for cell in frames.results.cells if cell.index in measured], matters, most=3)
    sheet = Sheet(name, 2 * len(layout.panels), columns=2, height=2.7)
    masked: list[str] = []
    for number, panel in enumerate(layout.panels):
        for side, (probe, what) in enumerate(probes.items()):
            own = sheet.panels[2 * number + side]
            own.set(title=" · ".join(filter(None, (what, panel.title))), y=log_over(shown["value"]), x="whole")
            blocks = data[probe].assign(layer=(data[probe]["site"] + 1) // 2)
            masked += add_lines(frames, own, blocks, panel.lines)
    return sheet.view(
        title,
        _join(caption, _BAND, _masked(masked), layout.left_out),
        xlabel="block",
        ylabel=ylabel,
        legend=keys(frames, layout),
    )


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
) -> FigureView | None:
    """Show one probe against depth, and what was predicted of it."""
    data = _at_step(frames, probe)
    if data.empty:
        return None
    measured = set(data["cell_index"])
    layout = lay_out([cell for cell in frames.results.cells if cell.index in measured], at_init)
    theory = frames.predictions[frames.predictions["probe"] == (probe if predicted else "")]
    sheet = Sheet(name, len(layout.panels))
    masked: list[str] = []
    for own, panel in zip(sheet.panels, layout.panels, strict=True):
        own.set(title=panel.title, y=log_over(data["value"]) if log else Scale(), x="whole")
        masked += add_lines(frames, own, data, panel.lines)
        _add_theory(frames, own, theory, panel.lines)
    legend = keys(frames, layout)
    if len(theory):
        legend.append(reference("predicted, ± sd of one draw", PREDICTED))
    about_theory = _PREDICTED if len(theory) else ""
    return sheet.view(
        title,
        _join(caption, _LAYERS, _BAND, about_theory, _masked(masked), layout.left_out),
        xlabel="layer",
        ylabel=ylabel,
        legend=legend,
    )


def _add_theory(
    frames: SweepFrames, panel: PanelSheet, theory: pd.DataFrame, lines: list[tuple[str, str, list[int]]]
) -> None:
    """Add what was predicted of each line, and the band of one draw about it."""
    for init, activation, cells in lines:
        own = theory[theory["cell_index"].isin(cells)].groupby("layer")[["value", "band"]].mean()
        if own.empty:
            continue
        colour = style_of(frames, init, activation).colour
        band = band_over(own.index.to_list(), own["value"] - own["band"], own["value"] + own["band"], colour)
        who = (f"{init} · {activation}, predicted", init, activation)
        style = Style(colour=INK, dash=PREDICTED, width=0.8)
        panel.plot(own.index.to_list(), own["value"].to_list(), who, style, band)


def _at_step(frames: SweepFrames, probe: str, step: int = 0) -> pd.DataFrame:
    """Return the rows of one probe at a step that hold a number."""
    layers = frames.layers
    chosen = layers[(layers["step"] == step) & (layers["probe"] == probe)]
    return chosen[chosen["value"].notna()]


def _masked(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return f"Zero, and so not on a logarithmic axis: {', '.join(unique)}." if unique else ""


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
