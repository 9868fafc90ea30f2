"""``initlab list`` and ``initlab explain``: what there is, and what it does to every slot."""

import textwrap
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from initlab.activations.functions import ACTIVATIONS
from initlab.cli.console import guarded, print_json, stdout
from initlab.cli.fields import one_model, with_fields
from initlab.cli.plugins import Plugins, load_plugins, name_broken
from initlab.data.corpora import CORPORA
from initlab.errors import InitlabError, did_you_mean
from initlab.files.json import SCHEMA_VERSION
from initlab.inits.catalogue import INITS, Init, blueprint_for, in_order, resolve
from initlab.inits.describe import NEED_HEADS, law_rows, plain_text
from initlab.launchers.base import LAUNCHERS
from initlab.network.blueprint import Blueprint
from initlab.network.taps import TAPS
from initlab.optimizers.registry import OPTIMIZERS
from initlab.plugins.registry import Registry
from initlab.probes.quantities import BACKWARD_PROBES, UPDATE_PROBES
from initlab.probes.reductions import PROBES
from initlab.spec.run import ModelSpec

GPT2_VOCABULARY = 50257


def _inits() -> list[dict[str, Any]]:
    items = []
    for name, entry in in_order():
        try:
            needs = _blueprint(name).needs
        except InitlabError as error:
            INITS.skip(name, str(error))
            continue
        items.append(_item(name, entry.summary, entry.source, INITS.aliases(name), needs))
    return items


def _blueprint(init: str, model: ModelSpec | None = None, activation: str = "gelu") -> Blueprint:
    return blueprint_for(model or ModelSpec(), init, activation, GPT2_VOCABULARY)


def _activations() -> list[dict[str, Any]]:
    return [
        _item(name, entry.formula, entry.source, ACTIVATIONS.aliases(name)) for name, entry in ACTIVATIONS.items()
    ]


def _corpora() -> list[dict[str, Any]]:
    return [_item(name, entry.summary, _origin(CORPORA, name)) for name, entry in CORPORA.items()]


def _taps() -> list[dict[str, Any]]:
    return [_item(name, tap.summary, f"({', '.join(tap.axes)})") for name, tap in TAPS.items()]


def _launchers() -> list[dict[str, Any]]:
    return [_item(name, entry.summary, _origin(LAUNCHERS, name)) for name, entry in LAUNCHERS.items()]


def _origin(registry: Registry[Any], name: str) -> str:
    return "built in" if registry.is_built_in(name) else "plug-in"


def _probes() -> list[dict[str, Any]]:
    forward = [_item(name, probe.summary, f"tap: {probe.tap}") for name, probe in PROBES.items()]
    backward = [_item(name, entry.summary, "backward pass") for name, entry in BACKWARD_PROBES.items()]
    updates = [_item(name, entry.summary, "the last update") for name, entry in UPDATE_PROBES.items()]
    return forward + backward + updates


def _optimizers() -> list[dict[str, Any]]:
    return [_item(name, entry.summary, entry.source, OPTIMIZERS.aliases(name)) for name, entry in OPTIMIZERS.items()]


def _item(
    name: str,
    summary: str,
    source: str,
    aliases: tuple[str, ...] = (),
    needs: list[str] | None = None,
) -> dict[str, Any]:
    return {"name": name, "aliases": list(aliases), "summary": summary, "source": source, "needs": needs or []}


SUMMARY_WIDTH = 50
"""Columns that a summary needs to stand beside what an init needs; it stands below where there are fewer."""

KINDS = {
    "inits": _inits,
    "activations": _activations,
    "corpora": _corpora,
    "probes": _probes,
    "taps": _taps,
    "launchers": _launchers,
    "optimizers": _optimizers,
}
REGISTRIES: dict[str, Registry[Any]] = {
    "inits": INITS,
    "activations": ACTIVATIONS,
    "corpora": CORPORA,
    "probes": PROBES,
    "launchers": LAUNCHERS,
    "optimizers": OPTIMIZERS,
}


@guarded
def list_(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS))],
    plugin: Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """List what there is of one kind."""
    load_plugins(plugin)
    if kind not in KINDS:
        raise InitlabError(f"nothing of kind {kind!r} to list{did_you_mean(kind, KINDS)}")
    items = KINDS[kind]()
    if kind in REGISTRIES:
        name_broken(REGISTRIES[kind])
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "items": items})
        return
    print_inits(stdout(), items) if kind == "inits" else print_items(stdout(), items)


def print_items(console: Console, items: list[dict[str, Any]]) -> None:
    """Print one row an item, without the columns that are empty for all."""
    columns = [column for column in ("name", "aliases", "summary", "source") if any(i[column] for i in items)]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "name")
    for item in items:
        cells = (", ".join(item[c]) if isinstance(item[c], list) else item[c] for c in columns)
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)


def print_inits(console: Console, items: list[dict[str, Any]]) -> None:
    """Print the catalogue with a column for every need; summaries stand beside them, or below on narrow screens."""
    needs = [need for need in NEED_HEADS if any(need in item["needs"] for item in items)]
    name_width = max(len(item["name"]) for item in items)
    heads = " ".join(NEED_HEADS[need] for need in needs)
    left = name_width + len(heads) + 4
    beside = console.width - left >= SUMMARY_WIDTH
    indent = left if beside else 4
    console.print(Text(f"{'name':<{name_width}}  {heads}{'  summary' * beside}", "bold"), soft_wrap=True)
    for item in items:
        marks = " ".join(("✓" if need in item["needs"] else " ").ljust(len(NEED_HEADS[need])) for need in needs)
        also = f" Also: {', '.join(item['aliases'])}." if item["aliases"] else ""
        lines = textwrap.wrap(plain_text(item["summary"]) + also, console.width - indent)
        beginning = f"  {lines.pop(0)}" if beside and lines else ""
        console.print(
            Text.assemble((f"{item['name']:<{name_width}}", "bold"), f"  {marks}{beginning}"), soft_wrap=True
        )
        for line in lines:
            console.print(Text(" " * indent + line), soft_wrap=True)
    legend = ", ".join(f"{NEED_HEADS[need]}: {need}" for need in needs)
    console.print(
        f"\nWhat a trainer must honour besides the weights: {legend}. `initlab explain NAME` shows the laws.",
        markup=False,
    )


@guarded
@with_fields(("model",))
def explain(
    init: Annotated[str, typer.Argument(help="an init, such as depth-scaled or gpt2:std=0.01")],
    activation: Annotated[str, typer.Option(help="a gated one adds the gate's slots")] = "gelu",
    plugin: Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Print the law of every slot an init sets, for any sizes."""
    load_plugins(plugin)
    found = resolve(init)
    blueprint = _blueprint(init, one_model(fields), activation)
    if as_json:
        print_json(explain_document(found, blueprint))
        return
    console, entry = stdout(), found.entry
    console.print(f"[bold]{escape(found.name)}[/]  {escape(plain_text(entry.summary))}")
    console.print(f"{plain_text(entry.why)}\nsource: {entry.source}".lstrip(), markup=False)
    console.print(f"needs: {', '.join(blueprint.needs)}", markup=False)
    console.print(f"network: {blueprint.words or 'as GPT-2'}\n", markup=False)
    console.print(_law_table(blueprint))


def explain_document(init: Init, blueprint: Blueprint) -> dict[str, Any]:
    """Return the public JSON document of an init at given sizes."""
    slots = [
        {
            "slot": slot.name,
            "role": slot.role,
            "layer": slot.layer,
            "shape": list(slot.shape),
            "of": slot.of,
            "aliases": list(slot.aliases),
            "drawn_as": blueprint.drawn_as(slot),
            **law.to_json(),
        }
        for slot, law in blueprint.laws
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "init": init.name,
        "status": init.entry.status,
        "dims": asdict(blueprint.dims),
        "needs": blueprint.needs,
        "topology": blueprint.topology.to_json(),
        "slots": slots,
    }


def _law_table(blueprint: Blueprint) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in ("slot", "layers", "shape", "starts as", "mult", "lr", "wd", "eps"):
        table.add_column(header, overflow="fold")
    for row in law_rows(blueprint):
        table.add_row(row.slot, row.layers, row.shape, *row.law)
    return table
