"""``initlab list`` and ``initlab explain``: what there is, and what it does to every slot."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from initlab.activations import ACTIVATIONS
from initlab.cli.console import guarded, print_json, stdout
from initlab.cli.fields import axes_from_flags, with_fields
from initlab.data.load import corpus_names
from initlab.errors import InitlabError, did_you_mean
from initlab.inits.catalogue import INITS, Init, resolve
from initlab.laws import Dims, Law, Slot
from initlab.plan.expand import validate_table
from initlab.probes.reductions import BACKWARD_PROBES, PROBES
from initlab.spec import SCHEMA_VERSION, ModelSpec

GPT2_VOCABULARY = 50257
DEFAULT_DIMS = ModelSpec().dims(GPT2_VOCABULARY)


def _inits() -> list[dict[str, Any]]:
    return [
        _item(name, entry.summary, entry.source, INITS.aliases(name), resolve(name).needs(DEFAULT_DIMS))
        for name, entry in INITS.items()
    ]


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
    name: str, summary: str, source: str, aliases: tuple[str, ...] = (), needs: list[str] | None = None
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
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Print the law of every slot an init sets, for any sizes."""
    found = resolve(init)
    dims = _dims(fields)
    if as_json:
        print_json(explain_document(found, dims))
        return
    console = stdout()
    console.print(f"[bold]{escape(found.name)}[/]  {escape(found.entry.summary)}", soft_wrap=True)
    console.print(f"{found.entry.why}\nsource: {found.entry.source}", markup=False)
    console.print(f"needs: {', '.join(found.needs(dims))}\n", markup=False)
    console.print(_law_table(found, dims))


def _dims(fields: dict[str, Any]) -> Dims:
    axes = axes_from_flags(fields, None, None, None, [])
    several = [path for path, values in axes.items() if len(values) > 1]
    if several:
        raise InitlabError(f"{several[0]}: explain takes one value, got {axes[several[0]]}")
    model = validate_table("model", {path.partition(".")[2]: values[0] for path, values in axes.items()})
    assert isinstance(model, ModelSpec)
    return model.dims(GPT2_VOCABULARY)


def explain_document(init: Init, dims: Dims) -> dict[str, Any]:
    """Return the public JSON document of an init at given sizes."""
    slots = [
        {
            "slot": slot.name,
            "role": slot.role,
            "layer": slot.layer,
            "shape": list(slot.shape),
            "of": slot.of,
            "aliases": list(slot.aliases),
            **law.to_json(),
        }
        for slot, law in init.table(dims)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "init": init.name,
        "dims": dims.__dict__,
        "needs": init.needs(dims),
        "topology": init.topology(dims).to_json(),
        "slots": slots,
    }


def _law_table(init: Init, dims: Dims) -> Table:
    """One line for every run of layers whose slots of one role share a law."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in ("slot", "layers", "shape", "starts as", "mult", "lr", "wd", "eps"):
        table.add_column(header)
    rows: dict[tuple[str, Law, tuple[int, ...]], list[Slot]] = {}
    for slot, law in init.table(dims):
        name = slot.name.split(".", 2)[2] if slot.layer is not None else slot.name
        rows.setdefault((name, law, slot.shape), []).append(slot)
    for (name, law, shape), slots in rows.items():
        tied = f" (also {', '.join(slots[0].aliases)})" if slots[0].aliases else ""
        numbers = (f"{value:g}" for value in (law.mult, law.lr, law.wd, law.eps))
        table.add_row(name + tied, _layers(slots), " × ".join(map(str, shape)), _start(law), *numbers)
    return table


def _layers(slots: list[Slot]) -> str:
    layers = [slot.layer for slot in slots if slot.layer is not None]
    if not layers:
        return ""
    whole = layers == list(range(layers[0], layers[-1] + 1))
    return f"{layers[0]}-{layers[-1]}" if whole and len(layers) > 1 else ", ".join(map(str, layers))


def _start(law: Law) -> str:
    if law.dist.std == 0:
        return f"{law.dist.mean:g}"
    bound = law.dist.support[1]
    bounds = f" on ±{bound:.6g}" if bound < float("inf") else ""
    return f"{law.dist.name}, std {law.dist.std:.6g}{bounds}"
