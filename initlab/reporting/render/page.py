"""The report as one HTML file: nothing to fetch, everything visible without scripts."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from initlab.files.escaping import json_text, visible
from initlab.reporting.render.drawing import Drawing
from initlab.reporting.render.markdown import reproduce

if TYPE_CHECKING:
    from initlab.reporting.analysis import Analysis


def render(analysis: "Analysis", drawings: Sequence[Drawing]) -> str:
    """Return the page. Every name and text of the sweep is escaped; only our own SVG, CSS and script are not."""
    return _template().render(
        analysis=analysis,
        results=analysis.results,
        figures=[(drawing, Markup(drawing.inline_svg())) for drawing in drawings],
        reproduce=reproduce(),
        css=Markup(_text("page.css")),
        script=Markup(_text("page.js")),
        island=Markup(island(analysis, drawings)),
    )


def island(analysis: "Analysis", drawings: Sequence[Drawing]) -> str:
    """Return the figures' series as JSON that can stand inside a script element."""
    series = {key: value for drawing in drawings for key, value in _points(drawing)}
    results = analysis.results
    document = {"inits": results.inits, "activations": results.activations, "series": series}
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return json_text(text).replace("<", "\\u003c")  # no </script> and no <!-- can occur


def _points(drawing: Drawing) -> list[tuple[str, dict[str, Any]]]:
    return [
        (
            f"{drawing.name}-{one.gid}",
            {
                "label": visible(one.label),
                "init": one.init,
                "activation": one.activation,
                "x": [_short(value) for value in one.x],
                "y": [_short(value) for value in one.y],
            },
        )
        for one in drawing.series
    ]


def _short(value: float) -> float:
    """Five digits are more than a figure shows, and a third of the bytes."""
    return float(f"{value:.5g}")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template("template.html")


def _shown(value: Any) -> Any:
    """Return what a page shows of a value: Markup is our own, all else may be anybody's text."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _text(name: str) -> str:
    return (files("initlab.reporting.render") / name).read_text(encoding="utf-8")
