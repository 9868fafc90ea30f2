"""``initlab list`` and ``initlab explain``: what there is, and what it does to every slot."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from initlab.activations import ACTIVATIONS
from initlab.blueprint import Blueprint
from initlab.cli.console import guarded, print_json, stdout
from initlab.cli.fields import axes_from_flags, with_fields
from initlab.data.load import corpus_names
from initlab.errors import InitlabError, did_you_mean
from initlab.inits.catalogue import INITS, Init, blueprint_for, resolve
from initlab.laws import Law, Slot
from initlab.plan.expand import validate_table
from initlab.probes.reductions import BACKWARD_PROBES, PROBES
from initlab.spec import SCHEMA_VERSION, ModelSpec

GPT2_VOCABULARY = 50257


def _inits() -> list[dict[str, Any]]:
    return [
        _item(name, entry.summary, entry.source, INITS.aliases(name), _blueprint(name).needs)
        for name, entry in INITS.items()
    ]


def _blueprint(init: str, model: ModelSpec | None = None, activation: str = "gelu") -> Blueprint:
    return blueprint_for(model or ModelSpec(), init, activation, GPT2_VOCABULARY)


def _activations() -> list[dict[str, Any]]:
    return [
        _item(name, entry.formula, entry.source, ACTIVATIONS.aliases(name)) for name, entry in ACTIVATIONS.items()
    ]


def _corpora() -> list[dict[str, Any]]:
    return [_item(name, summary, "built in") for name, summary in corpus_names()]


def _probes() -> list[dict[str, Any]]:
    forward = [_item(name, probe.summary, f"tap: {probe.place}") for name, probe in PROBES.items()]
    return forward + [_item(name, summary, "backward pass") for name, summary in BACKWARD_PROBES.items()]


def _item(
    name: str,
    summary: str,
    source: str,
    aliases: tuple[str, ...] = (),
    needs: list[str] | None = None,
) -> dict[str, Any]:
    return {"name": name, "aliases": list(aliases), "summary": summary, "source": source, "needs": needs or []}


KINDS = {"inits": _inits, "activations": _activations, "corpora": _corpora, "probes": _probes}


@guarded
def list_(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS))],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """List what there is of one kind."""
    if kind not in KINDS:
        raise InitlabError(f"nothing of kind {kind!r} to list{did_you_mean(kind, KINDS)}")
    items = KINDS[kind]()
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "items": items})
        return
    columns = [
        column for column in ("name", "aliases", "needs", "summary", "source") if any(i[column] for i in items)
    ]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "name")
    for item in items:
        cells = (", ".join(item[c]) if isinstance(item[c], list) else item[c] for c in columns)
        table.add_row(*(escape(cell) for cell in cells))
    stdout().print(table)


@guarded
@with_fields(("model",))
def explain(
    init: Annotated[str, typer.Argument(help="an init, such as depth-scaled or gpt2:std=0.01")],
    activation: Annotated[str, typer.Option(help="a gated one adds the gate's slots")] = "gelu",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Print the law of every slot an init sets, for any sizes."""
    found = resolve(init)
    blueprint = _blueprint(init, one_model(fields), activation)
    if as_json:
        print_json(explain_document(found, blueprint))
        return
    console, entry = stdout(), found.entry
    console.print(f"[bold]{escape(found.name)}[/]  {escape(entry.summary)}", soft_wrap=True)
    console.print(f"{entry.why}\nsource: {entry.source}", markup=False)
    console.print(f"needs: {', '.join(blueprint.needs)}", markup=False)
    console.print(f"network: {blueprint.words or 'as GPT-2'}\n", markup=False)
    console.print(_law_table(found, blueprint))


def one_model(fields: dict[str, Any]) -> ModelSpec:
    """Return the model that flags describe, each with one value."""
    axes = axes_from_flags(fields, None, None, None, [])
    several = [path for path, values in axes.items() if len(values) > 1]
    if several:
        raise InitlabError(f"{several[0]}: takes one value, got {axes[several[0]]}")
    model = validate_table("model", {path.partition(".")[2]: values[0] for path, values in axes.items()})
    assert isinstance(model, ModelSpec)
    return model


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
            "drawn_as": init.drawn_as(slot),
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


def _law_table(init: Init, blueprint: Blueprint) -> Table:
    """One line for every run of layers whose slots of one role share a law."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in ("slot", "layers", "shape", "starts as", "mult", "lr", "wd", "eps"):
        table.add_column(header)
    rows: dict[tuple[str, Law, tuple[int, ...]], list[Slot]] = {}
    for slot, law in blueprint.laws:
        name = slot.name.split(".", 2)[2] if slot.layer is not None else slot.name
        rows.setdefault((name, law, slot.shape), []).append(slot)
    for (name, law, shape), slots in rows.items():
        numbers = (f"{value:g}" for value in (law.mult, law.lr, law.wd, law.eps))
        table.add_row(
            name + _sharing(init, slots[0]), _layers(slots), " × ".join(map(str, shape)), _start(law), *numbers
        )
    return table


def _sharing(init: Init, slot: Slot) -> str:
    """Say what else a tied tensor is, and by which role's law it starts."""
    if not slot.aliases:
        return ""
    winner = ", whose law it has" if init.drawn_as(slot) != slot.role else ""
    return f" (also {', '.join(slot.aliases)}{winner})"


def _layers(slots: list[Slot]) -> str:
    layers = [slot.layer for slot in slots if slot.layer is not None]
    if not layers:
        return ""
    whole = layers == list(range(layers[0], layers[-1] + 1))
    return f"{layers[0]}-{layers[-1]}" if whole and len(layers) > 1 else ", ".join(map(str, layers))


def _start(law: Law) -> str:
    if law.joint:
        return "drawn jointly"
    if law.calibrated:
        return "measured on a batch"
    if law.dist.std == 0:
        return f"{law.dist.mean:g}" + ("" if law.train else ", fixed")
    bound = law.dist.support[1]
    bounds = f" on ±{bound:.6g}" if bound < float("inf") else ""
    return f"{law.dist.name}, std {law.dist.std:.6g}{bounds}"
