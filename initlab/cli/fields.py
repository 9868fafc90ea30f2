"""Every field of a spec as a flag, made from its declaration so that none can be forgotten.

``--n-layer 4,12``: a comma makes an axis; switches have a ``--no-`` form; ``--set`` reaches any field by its path.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from initlab.api.axes import (
    BASE,
    BASE_SIZES,
    FIELDS,
    TARGET_SIZES,
    SpecField,
    check_seed_count,
    field_path,
    flag_value,
    names_of,
    split_names,
)
from initlab.errors import InitlabError, did_you_mean

PANELS = {"model": "Model", "data": "Data", "train": "Training"}
MARK = "field_"
METAVARS = {"integer": "INT", "number": "FLOAT", "boolean": "on/off", "string": "NAME"}


def with_fields(tables: tuple[str, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option for every field of ``tables``; it receives those set as ``fields``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "fields"]
        options = [option for table in tables for option in _options(table)]

        def run(**given: Any) -> Any:
            fields = {
                name.removeprefix(MARK).replace("__", "."): value
                for name, value in given.items()
                if name.startswith(MARK) and value is not None
            }
            rest = {name: value for name, value in given.items() if not name.startswith(MARK)}
            return command(**rest, fields=fields)

        run.__doc__, run.__name__ = command.__doc__, command.__name__
        run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
        return run

    return decorate


def _options(table: str) -> list[inspect.Parameter]:
    fields = [field for field in FIELDS.values() if field.table == table]
    options = [_option(field) for field in fields if field.traits.role != "base size"]
    return options + [_base_option()] * (len(options) < len(fields))


def _base_option() -> inspect.Parameter:
    """``--base n_embd=128,n_layer=2`` sets the sizes of the base model together."""
    default = ",".join(f"{name}={FIELDS[f'model.{BASE}{name}'].default}" for name in BASE_SIZES)
    text = f"sizes of the small model that μP-like inits scale from (default: {default})"
    option = typer.Option("--base", help=text, rich_help_panel=PANELS["model"], metavar="SIZES", show_default=False)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(f"{MARK}base", kind, default=None, annotation=Annotated[str | None, option])


def _option(field: SpecField) -> inspect.Parameter:
    switch = field.kind == "boolean"
    option = typer.Option(
        f"--{field.flag}/--no-{field.flag}" if switch else f"--{field.flag}",
        help=help_of(field),
        rich_help_panel=PANELS[field.table],
        metavar=METAVARS[field.kind],
        show_default=False,
    )
    kind: Any = bool | None if switch else str | None
    name = MARK + field.path.replace(".", "__")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def help_of(field: SpecField) -> str:
    """Return a field's help with its unit, its legal values where they can be listed, and its default.

    No square brackets: rich takes ``[default: 4]`` for a style and prints nothing.
    """
    names = names_of(field)
    known = field.choices or (names.known() if names else ())
    facts = [f"in {field.traits.unit}"] if field.traits.unit else []
    if known:
        facts.append(f"{'one of' if names is None or names.closed else 'such as'} {', '.join(known)}")
    if default := field.traits.unset or (None if field.default is None else _written(field.default)):
        facts.append(f"default: {default}")
    return f"{field.help} ({'; '.join(facts)})" if facts else field.help


def _written(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"


def axes_from_flags(
    fields: dict[str, Any], inits: str | None, activations: str | None, seeds: str | None, settings: list[str]
) -> dict[str, list[Any]]:
    """Return the axes that flags name, by path. Raises InitlabError for a flag that cannot be read."""
    axes: dict[str, list[Any]] = {}
    for path, text in (("init", inits), ("activation", activations)):
        if text is not None:
            axes[path] = parse_values(path, text)
    if seeds is not None:
        axes["seed"] = parse_seeds(seeds)
    for path, value in fields.items():
        if path == "base":
            axes.update(parse_base(value))
            continue
        axes[path] = [value] if isinstance(value, bool) else parse_values(path, value)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InitlabError(f"--set {setting}: expected KEY=VALUE[,VALUE...]")
        path = field_path(key.strip())
        axes[path] = parse_values(path, text)
    return axes


def parse_values(path: str, text: str) -> list[Any]:
    """Return the comma-separated values of a field: text where the field is text, else TOML values."""
    field = FIELDS[path]
    names = names_of(field)
    if names is not None and names.parameters:
        return list(split_names(text))
    pieces = [piece.strip() for piece in text.split(",")]
    return pieces if field.kind == "string" else [flag_value(piece) for piece in pieces]


def parse_base(text: str) -> dict[str, list[Any]]:
    """Return the base model's sizes by path, from ``n_embd=128,n_layer=2``."""
    return {f"model.{BASE}{name}": [value] for name, value in _sizes("--base", text, BASE_SIZES).items()}


def parse_sizes(flag: str, text: str) -> dict[str, int]:
    """Return sizes of the model by name, from ``n_embd=768,n_layer=48``; ``flag`` is where they were asked for."""
    sizes = _sizes(flag, text, TARGET_SIZES)
    for name, value in sizes.items():
        if type(value) is not int or value < 1:
            raise InitlabError(f"{flag} {text}: expected a whole number from 1 as {name}, got {str(value)[:40]!r}")
    return sizes


def _sizes(flag: str, text: str, names: tuple[str, ...]) -> dict[str, Any]:
    sizes = {}
    for piece in text.split(","):
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals:
            raise InitlabError(f"{flag} {text}: expected {names[0]}=NUMBER,{names[1]}=NUMBER")
        if name not in names:
            raise InitlabError(f"{flag} {text}: no size {name!r}{did_you_mean(name, names)}")
        sizes[name] = flag_value(value)
    return sizes


def model_fields(fields: dict[str, Any]) -> dict[str, list[Any]]:
    """Return what flags say of one model, by path."""
    return axes_from_flags(fields, None, None, None, [])


def parse_seeds(text: str) -> list[int]:
    """Return the seeds named: ``3`` is 0, 1, 2; ``0-4`` is a range with its end; ``0,7`` is a list."""
    try:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        alone = len(parts) == 1 and parts[0] == text.strip() and "-" not in text
        ranges = [range(_whole(text))] if alone else [_seed_range(part) for part in parts]
    except ValueError as error:
        raise InitlabError(f"--seeds {text}: expected a number (3), a range (0-4) or a list (0,7)") from error
    check_seed_count(sum(each.stop - each.start for each in ranges), "--seeds")  # a range may be too long for len()
    if not any(ranges):
        raise InitlabError(f"--seeds {text}: names no seed")
    return [seed for each in ranges for seed in each]


def _seed_range(part: str) -> range:
    first, dash, last = part.partition("-")
    return range(_whole(first), _whole(last if dash else first) + 1)


def _whole(text: str) -> int:
    """Return digits as a number; ``int`` reads underscores and the digits of every script too."""
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise ValueError(text)
    return int(text)
