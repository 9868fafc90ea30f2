"""The reference pages, written from the registries: ``python -m initlab.docs docs`` (or ``make docs``)."""

import sys
from collections.abc import Iterable
from pathlib import Path

from initlab.activations.functions import ACTIVATIONS, moments
from initlab.inits.as_source import differences
from initlab.inits.catalogue import FAMILIES, INITS, blueprint_for, in_order, resolve
from initlab.inits.describe import NEED_HEADS, brief_rows, plain_text
from initlab.inits.strategy import InitEntry
from initlab.network.blueprint import Blueprint
from initlab.network.topology import setting
from initlab.optimizers.rules import OPTIMIZERS, OptimizerEntry
from initlab.spec.run import ModelSpec

REFERENCE = ModelSpec(n_layer=12, n_head=12, n_embd=768, block_size=1024)
VOCABULARY = 50257
"""GPT-2's sizes, at which the pages show laws."""

MADE = "<!-- Made by `make docs` from what is registered. Do not edit: a test compares. -->"


def write(folder: Path) -> None:
    """Write the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Return each page's text by file name; plug-ins are on none."""
    return {"inits.md": _inits(), "activations.md": _activations(), "optimizers.md": _optimizers()}


def _inits() -> str:
    entries = [(name, entry) for name, entry in in_order() if INITS.is_built_in(name)]
    blueprints = {name: blueprint_for(REFERENCE, name, "gelu", VOCABULARY) for name, _ in entries}
    rows = [
        [
            f"[{name}](#{name.replace('.', '')})",
            *("✓" * (need in blueprints[name].needs) for need in NEED_HEADS),
            entry.summary,
        ]
        for name, entry in entries
    ]
    return "\n\n".join(
        [
            f"# Inits\n\n{MADE}",
            "What each needs of a trainer besides its weights being set, derived from its laws. Tables of laws are "
            f"for GPT-2's sizes ({REFERENCE.n_layer} layers, width {REFERENCE.n_embd}, {REFERENCE.n_head} heads, "
            f"context {REFERENCE.block_size}, vocabulary {VOCABULARY}, GELU); `initlab explain NAME` has any other. "
            "Norms and biases that they leave out start as the identity; `a … b` is the first layer's value and the "
            "last's, with a steady change between.",
            "An init's laws stay the same on any network. What else its source's code builds around the weights is "
            "taken with `--as-source` (`as_source = true` under `[model]`, `as_source=True` in Python): the fields "
            "that each init lists are then set in the run's own spec, and so in its id. A field given beside it that "
            "says something else is refused. Sizes stay yours.",
            _table(["init", *NEED_HEADS, "what it is"], rows),
            *(_family(family.__name__, family.__doc__ or "", entries, blueprints) for family in FAMILIES),
        ]
    )


def _family(module: str, doc: str, entries: Iterable[tuple[str, InitEntry]], blueprints: dict[str, Blueprint]) -> str:
    heading = plain_text(doc.split("\n\n")[0], code="`").partition(". ")[0].strip().removesuffix(".")
    own = [(name, entry) for name, entry in entries if entry.build.__module__ == module]
    return "\n\n".join([f"## {heading}", *(_init(name, entry, blueprints[name]) for name, entry in own)]) + "\n"


def _init(name: str, entry: InitEntry, blueprint: Blueprint) -> str:
    facts = {
        "Source": entry.source,
        "Also called": ", ".join(f"`{alias}`" for alias in INITS.aliases(name)),
        "Parameters": ", ".join(_parameter(entry, key) for key in entry.parameters),
        "Needs": ", ".join(blueprint.needs),
        "Network": blueprint.describe() or "as GPT-2",
        "With `as_source`": _source_network(name, blueprint),
    }
    listed = "\n".join(f"- {key}: {value}" for key, value in facts.items() if value)
    text = "\n\n".join(filter(None, (entry.summary, entry.why)))
    return f"### {name}\n\n{plain_text(text, code='`')}\n\n{listed}\n\n{_laws(blueprint)}"


def _source_network(name: str, blueprint: Blueprint) -> str:
    """Say what the network of an init's source has that the one above does not, and what neither has."""
    init = resolve(name)
    if isinstance(init.entry.network, str):
        return f"nothing to take: {init.entry.network}"
    other = [setting(field, theirs) for field, (_, theirs) in differences(init, blueprint, "gelu").items()]
    lacking = f"; not modelled: {'; '.join(init.entry.network.unlike)}" if init.entry.network.unlike else ""
    return (", ".join(f"`{one}`" for one in other) or "the same") + lacking


def _parameter(entry: InitEntry, key: str) -> str:
    choices = entry.choices.get(key)
    return f"`{key}={entry.parameters[key]}`" + (f" (of {', '.join(choices)})" if choices else "")


def _laws(blueprint: Blueprint) -> str:
    """Return the table of laws; factors that are 1 for every slot have no column."""
    rows = brief_rows(blueprint)
    columns = ["slot", "layers", "start", *(key for key in ("mult", "lr", "wd", "eps") if _varies(rows, key))]
    heads = [{"start": "starts as"}.get(column, column) for column in columns]
    return _table(heads, [[getattr(row, column) for column in columns] for row in rows])


def _varies(rows: Iterable[object], key: str) -> bool:
    return any(getattr(row, key) != "1" for row in rows)


def _activations() -> str:
    rows = []
    for name, entry in ACTIVATIONS.items():
        if ACTIVATIONS.is_built_in(name):
            unit = moments(name, 1.0)
            numbers = [_four_digits(value) for value in (unit.mean, unit.second, unit.slope_second)]
            rows.append([name, ", ".join(ACTIVATIONS.aliases(name)), entry.formula, *numbers, entry.source])
    heads = ["activation", "also called", "f(x)", "E f", "E f²", "E f′²", "source"]
    return "\n\n".join(
        [
            f"# Activations\n\n{MADE}",
            "Moments are for x ~ N(0, 1). A gated MLP has a third matrix, y = a·f(g): its moments are those of f, "
            "the function on the gate g.",
            _table(heads, rows) + "\n",
        ]
    )


def _optimizers() -> str:
    entries = [(name, entry) for name, entry in OPTIMIZERS.items() if OPTIMIZERS.is_built_in(name)]
    introduction = (
        "θ is a parameter, g its gradient after clipping, t the step from 1; what stands in words is a setting. "
        "`weight_decay` is for tensors of two dimensions and 0 for others, and a law's factors multiply a slot's "
        "learning rate, `weight_decay` and `eps`. Inits whose laws set any of these need an optimizer that moves "
        "like Adam."
    )
    sections = [_optimizer(name, entry) for name, entry in entries]
    return "\n\n".join([f"# Optimizers\n\n{MADE}", introduction, *sections]) + "\n"


def _optimizer(name: str, entry: OptimizerEntry) -> str:
    facts = {
        "Source": entry.source,
        "Also called": ", ".join(f"`{alias}`" for alias in OPTIMIZERS.aliases(name)),
        "Of the spec": ", ".join(f"`{field}`" for field in entry.spec_fields),
        "Parameters": ", ".join(f"`{key}={default}`" for key, default in entry.parameters.items()),
        "Moves like Adam": "yes" if entry.adam_like else "no",
    }
    listed = "\n".join(f"- {key}: {value}" for key, value in facts.items() if value)
    return "\n\n".join(filter(None, [f"## {name}", entry.summary, entry.why, listed]))


def _four_digits(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}"  # no minus before a zero that rounding made


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ((plain_text(cell, code="`").replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
