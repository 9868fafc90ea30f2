"""``initlab list`` and ``initlab explain``: what there is, and what it does to every slot."""

import textwrap
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from initlab.api.explanation import Explanation
from initlab.api.explanation import explain as explanation
from initlab.api.listing import KINDS, NEED_HEADS, Item, listing, plain_text
from initlab.cli.console import guarded, print_json, stdout
from initlab.cli.fields import model_fields, with_fields
from initlab.cli.plugins import Plugins, say_skipped

SUMMARY_WIDTH = 50
"""Columns that a summary needs to stand beside what an init needs; it stands below where there are fewer."""


@guarded
def list_(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS))],
    plugin: Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """List what there is of one kind."""
    found = listing(kind, plugins=plugin or [])
    say_skipped(found.skipped)
    if as_json:
        print_json(found.to_json())
        return
    print_inits(stdout(), found.items) if kind == "inits" else print_items(stdout(), found.items)


def print_items(console: Console, items: Sequence[Item]) -> None:
    """Print one row an item, without the columns that are empty for all."""
    rows = [
        {"name": item.name, "aliases": ", ".join(item.aliases), "summary": item.summary, "source": item.source}
        for item in items
    ]
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = [column for column in rows[0] if any(row[column] for row in rows)]
    for column in columns:
        table.add_column(column, no_wrap=column == "name")
    for row in rows:
        table.add_row(*(escape(row[column]) for column in columns))
    console.print(table)


def print_inits(console: Console, items: Sequence[Item]) -> None:
    """Print the catalogue with a column for every need; summaries stand beside them, or below on narrow screens."""
    needs = [need for need in NEED_HEADS if any(need in item.needs for item in items)]
    name_width = max(len(item.name) for item in items)
    heads = " ".join(NEED_HEADS[need] for need in needs)
    left = name_width + len(heads) + 4
    beside = console.width - left >= SUMMARY_WIDTH
    indent = left if beside else 4
    console.print(Text(f"{'name':<{name_width}}  {heads}{'  summary' * beside}", "bold"), soft_wrap=True)
    for item in items:
        marks = " ".join(("✓" if need in item.needs else " ").ljust(len(NEED_HEADS[need])) for need in needs)
        also = f" Also: {', '.join(item.aliases)}." if item.aliases else ""
        lines = textwrap.wrap(plain_text(item.summary) + also, console.width - indent)
        beginning = f"  {lines.pop(0)}" if beside and lines else ""
        console.print(Text.assemble((f"{item.name:<{name_width}}", "bold"), f"  {marks}{beginning}"), soft_wrap=True)
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
    activation: Annotated[
        str | None,
        typer.Option(help="a gated one adds the gate's slots; default: gelu, or the source's with --as-source"),
    ] = None,
    plugin: Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Print the law of every slot an init sets, for any sizes."""
    found = explanation(init, activation, plugins=plugin or [], **model_fields(fields))
    if as_json:
        print_json(found.to_json())
        return
    console = stdout()
    first, *rest = found.heading
    name, _, summary = first.partition("  ")
    console.print(f"[bold]{escape(name)}[/]  {escape(summary)}")
    for line in rest:
        console.print(line, markup=False)
    console.print()
    console.print(_law_table(found))


def _law_table(found: Explanation) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in ("slot", "layers", "shape", "starts as", "mult", "lr", "wd", "eps"):
        table.add_column(header, overflow="fold")
    for row in found.rows:
        table.add_row(row.slot, row.layers, row.shape, *row.law)
    return table
