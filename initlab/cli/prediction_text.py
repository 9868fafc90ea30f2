"""Predictions for people: a plot, a table by layer, and what follows from them in words. Fits 80 columns."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from initlab.api.forecast import Forecast, Growth
from initlab.cli.plot import Curve, plot

ROWS = 17
"""Layers that a table shows; of deeper networks every so many."""

WIDTH = 78


def print_prediction(console: Console, found: Mapping[str, Any]) -> None:
    """Print one prediction."""
    _say(console, _heading([found]))
    console.print()
    _print_plot(console, [found])
    console.print()
    _print_layers(console, found)
    console.print()
    _print_facts(console, found)


def print_several(console: Console, documents: Sequence[Mapping[str, Any]]) -> None:
    """Print inits side by side: one plot, one row an init, one column an init by layer."""
    _say(console, _heading(documents))
    console.print()
    _print_plot(console, documents)
    console.print()
    _print_grid(
        console,
        ["init", "growth", "law (R²)", "loss at init", "last attn", "last MLP", "cosine"],
        [
            [
                found["init"],
                _factor(found["growth"]),
                law_words(found["growth_law"]),
                f"{found['initial_loss']:.3f}",
                _moment(found["attn_ms"][-1]),
                _moment(found["mlp_ms"][-1]),
                f"{found['token_cosine'][-1]:.3f}",
            ]
            for found in documents
        ],
    )
    console.print("\nResidual second moment by layer:")
    layers = _shown(documents[0]["dims"]["n_layer"])
    rows = [[str(layer), *(_moment(found["residual_ms"][layer]) for found in documents)] for layer in layers]
    _print_grid(console, ["layer", *(found["init"] for found in documents)], rows)
    for found in documents:
        _print_notes(console, found, f"{found['init']}: ")


def print_over(console: Console, forecast: Forecast) -> None:
    """Print growth and final moments at each of a range of sizes, and the law that growth follows over it."""
    span = forecast.sizes
    assert span is not None
    for init, law in forecast.laws.items():
        console.print(f"{init} over {span.field}", markup=False)
        _print_grid(
            console,
            [span.field, "growth", "residual", "± draw", "last attn", "last MLP", "cosine", "loss"],
            [
                [
                    f"{value:g}",
                    _factor(found["growth"]),
                    _moment(found["residual_ms"][-1]),
                    f"{100 * found['bands']['residual_ms'][-1] / found['residual_ms'][-1]:.1f}%",
                    _moment(found["attn_ms"][-1]),
                    _moment(found["mlp_ms"][-1]),
                    f"{found['token_cosine'][-1]:.3f}",
                    f"{found['initial_loss']:.3f}",
                ]
                for value, found in zip(span.values, forecast.of(init), strict=True)
            ],
        )
        if law is not None:
            _say(console, f"growth over {span.field}: {law.law}, R² = {law.r2:.3f}{_formula(law, span.field)}")
        console.print()


def law_words(law: Mapping[str, Any] | None) -> str:
    """Return a growth law as ``linear (0.998)``; R² has no meaning where nothing grows."""
    if law is None:
        return "–"
    return law["law"] if law["law"] == "constant" else f"{law['law']} ({law['r2']:.3f})"


def _heading(documents: Sequence[Mapping[str, Any]]) -> str:
    first = documents[0]
    dims, tokens = first["dims"], first["tokens"]
    head = "tied" if dims["tied"] else "untied"
    return (
        f"{' | '.join(found['init'] for found in documents)} · {first['activation']} · {dims['n_layer']} layers, "
        f"width {dims['n_embd']}, {dims['n_head']} heads, context {dims['block_size']}, vocabulary "
        f"{dims['vocab_size']} ({tokens['text']} tokens), {head} head"
    )


def _print_plot(console: Console, documents: Sequence[Mapping[str, Any]]) -> None:
    curves = [Curve(found["init"][:20], found["residual_ms"]) for found in documents]
    for line in plot(curves, title="residual second moment", xlabel="layer", width=WIDTH):
        console.print(line, markup=False, soft_wrap=True)


def _print_layers(console: Console, found: Mapping[str, Any]) -> None:
    bands, slopes = found["bands"]["residual_ms"][::2], found["sites"]["grad_ms"][::2]
    rows = []
    for layer in _shown(found["dims"]["n_layer"]):
        block = [_moment(found[name][layer - 1]) if layer else "" for name in ("attn_ms", "mlp_ms")]
        residual = found["residual_ms"][layer]
        rows.append(
            [
                str(layer),
                _moment(residual),
                f"± {100 * bands[layer] / residual:.1f}%",
                *block,
                f"{found['token_cosine'][layer]:.3f}",
                _moment(slopes[layer]),
            ]
        )
    _print_grid(console, ["layer", "residual", "one draw", "attention", "MLP", "cosine", "gradient"], rows)
    _say(
        console,
        "Second moments. Layer 0 is after the embedding; attention and MLP are what a layer's branches add; the band "
        f"is the sd of one draw seen through {found['tokens']['batch']} sequences; the gradient is that of the mean "
        "loss.",
    )


def _print_facts(console: Console, found: Mapping[str, Any]) -> None:
    law, band = found["growth_law"], found["bands"]["initial_loss"][0]
    facts = {
        "growth": f"{_factor(found['growth'])} (residual second moment, last layer over embedding)",
        "law": law_words(law).replace("(", "(R² = ") + " over depth",
        "loss at init": f"{found['initial_loss']:.4f} ± {band:.4f} nats/token",
        "logit variance": _moment(found["logit_var"]),
        "attention logits": f"std {found['attn_logit_std'][0]:.2g} in the first layer",
    }
    for name, text in facts.items():
        console.print(f"{name:<17}{text}", markup=False, soft_wrap=True)
    if found["update_ratios"]:
        ratios = ", ".join(f"{role} {_range(one)}" for role, one in found["update_ratios"].items())
        _say(console, f"update/weight    at lr {found['lr']:g} in Adam's first step: {ratios}", indent=17)
    _print_notes(console, found, "")


def _print_notes(console: Console, found: Mapping[str, Any], prefix: str) -> None:
    names = {"residual_ms": "residual", "attn_ms": "attention", "mlp_ms": "MLP", "token_cosine": "cosine"}
    names |= {"grad_ms": "gradient", "initial_loss": "loss", "logit_var": "logits"}
    for note in found["validity"]:
        hit = ", ".join(names[curve] for curve in note["affects"])
        _say(console, f"beware           {prefix}not so: {note['assumption']}; {note['message']} ({hit})", indent=17)


def _print_grid(console: Console, headers: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]
    for row in [headers, *rows]:
        first, *rest = (
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        console.print("  ".join([first, *rest]).rstrip(), markup=False, soft_wrap=True)


def _say(console: Console, text: str, indent: int = 0) -> None:
    for line in textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent):
        console.print(line, markup=False, soft_wrap=True)


def _shown(n_layer: int) -> list[int]:
    """Return the layers of a table, 0 and the last among them."""
    if n_layer < ROWS:
        return list(range(n_layer + 1))
    return sorted({round(n_layer * row / (ROWS - 1)) for row in range(ROWS)})


def _moment(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def _factor(value: float) -> str:
    return f"×{value:.0f}" if 1000 <= value < 1e6 else f"×{value:.3g}"


def _range(ratios: Mapping[str, float]) -> str:
    low, high = (f"{ratios[end]:.2g}" for end in ("least", "most"))
    text = low if low == high else f"{low}–{high}"
    return text.replace("inf", "∞")


def _formula(law: Growth, field: str) -> str:
    if law.law == "constant":
        return f" (about {law.start:.3g})"
    form = {"linear": f"·{field}", "logarithmic": f"·ln(1 + {field})"}
    if law.law == "exponential":
        return f" (growth ≈ {law.start:.3g}·exp({law.rate:.3g}·{field}))"
    return f" (growth ≈ {law.start:.3g} + {law.rate:.3g}{form[law.law]})"
