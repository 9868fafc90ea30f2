"""Every field of a spec as a flag, made from the spec itself so that none can be forgotten.

``--n-layer 4,12``: a comma makes an axis; switches have a ``--no-`` form; ``--set`` reaches any field by its path.
"""

import inspect
import tomllib
from collections.abc import Callable
from typing import Annotated, Any

import typer

from initlab.errors import InitlabError, did_you_mean
from initlab.planning.expand import SPECS, validate_table
from initlab.planning.source import field_path
from initlab.spec.run import ModelSpec

PANELS = {"model": "Model", "data": "Data", "train": "Training"}
MARK = "field_"
BASE_SIZES = ("n_embd", "n_layer")
TARGET_SIZES = ("n_embd", "n_layer", "n_head", "block_size")


def flag_name(path: str) -> str:
    """Return the flag of a field: its name with dashes; the batches' own seed is ``--data-seed``."""
    return "data-seed" if path == "data.seed" else path.partition(".")[2].replace("_", "-")


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
    fields = SPECS[table].model_fields.items()
    options = [_option(f"{table}.{name}", field) for name, field in fields if not name.startswith("base_")]
    return options + [_base_option()] * (table == "model")


def _base_option() -> inspect.Parameter:
    """``--base n_embd=128,n_layer=2`` sets the sizes of the base model together."""
    defaults = ",".join(f"{name}={SPECS['model'].model_fields[f'base_{name}'].default}" for name in BASE_SIZES)
    text = f"sizes of the small model that μP-like inits scale from [default: {defaults}]"
    option = typer.Option("--base", help=text, rich_help_panel=PANELS["model"], metavar="TEXT", show_default=False)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(f"{MARK}base", kind, default=None, annotation=Annotated[str | None, option])


def _option(path: str, field: Any) -> inspect.Parameter:
    flag, switch = flag_name(path), field.annotation in (bool, bool | None)
    default = "" if field.default is None else f" [default: {field.default}]"
    option = typer.Option(
        f"--{flag}/--no-{flag}" if switch else f"--{flag}",
        help=f"{field.description}{default}",
        rich_help_panel=PANELS[path.partition(".")[0]],
        metavar=None if switch else _metavar(field),
        show_default=False,
    )
    kind: Any = bool | None if switch else str | None
    name = MARK + path.replace(".", "__")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])


def _metavar(field: Any) -> str:
    text = str(field.annotation)
    return "INT" if "int" in text else "FLOAT" if "float" in text else "TEXT"


def axes_from_flags(
    fields: dict[str, Any], inits: str | None, activations: str | None, seeds: str | None, settings: list[str]
) -> dict[str, list[Any]]:
    """Return the axes that flags name, by path. Raises InitlabError for a flag that cannot be read."""
    axes: dict[str, list[Any]] = {}
    if inits is not None:
        axes["init"] = split_inits(inits)
    if activations is not None:
        axes["activation"] = [name.strip() for name in activations.split(",")]
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
            raise InitlabError(f"--set {setting}: wants KEY=VALUE[,VALUE...]")
        path = field_path(key.strip())
        axes[path] = split_inits(text) if path == "init" else parse_values(path, text)
    return axes


def parse_values(path: str, text: str) -> list[Any]:
    """Return the comma-separated values of a field: text where the field is text, else TOML values."""
    pieces = [piece.strip() for piece in text.split(",")]
    table, _, name = path.partition(".")
    textual = path == "activation" or (name and "str" in str(SPECS[table].model_fields[name].annotation))
    literal = name and "Literal" in str(SPECS[table].model_fields[name].annotation)
    return pieces if textual or literal else [_toml_value(piece) for piece in pieces]


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # validation says what was expected instead


def parse_base(text: str) -> dict[str, list[Any]]:
    """Return the base model's sizes by path, from ``n_embd=128,n_layer=2``."""
    return {f"model.base_{name}": [value] for name, value in _sizes("--base", text, BASE_SIZES).items()}


def parse_sizes(flag: str, text: str) -> dict[str, int]:
    """Return sizes of the model by name, from ``n_embd=768,n_layer=48``; ``flag`` is where they were asked for."""
    found = _sizes(flag, text, TARGET_SIZES)
    for name, value in found.items():
        if type(value) is not int or value < 1:
            raise InitlabError(f"{flag} {text}: {name} wants a whole number from 1, got {value!r}")
    return found


def _sizes(flag: str, text: str, names: tuple[str, ...]) -> dict[str, Any]:
    sizes = {}
    for piece in text.split(","):
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals:
            raise InitlabError(f"{flag} {text}: wants {names[0]}=NUMBER,{names[1]}=NUMBER")
        if name not in names:
            raise InitlabError(f"{flag} {text}: no size {name!r}{did_you_mean(name, names)}")
        sizes[name] = _toml_value(value)
    return sizes


def one_model(fields: dict[str, Any]) -> ModelSpec:
    """Return the model that flags describe, each with one value."""
    axes = axes_from_flags(fields, None, None, None, [])
    several = [path for path, values in axes.items() if len(values) > 1]
    if several:
        raise InitlabError(f"{several[0]}: takes one value, got {axes[several[0]]}")
    model = validate_table("model", {path.partition(".")[2]: values[0] for path, values in axes.items()})
    assert isinstance(model, ModelSpec)
    return model


def parse_seeds(text: str) -> list[int]:
    """Return the seeds named: ``3`` is 0, 1, 2; ``0-4`` is a range with its end; ``0,7`` is a list."""
    try:
        if "," in text:
            seeds = [seed for part in text.split(",") if part.strip() for seed in _seed_range(part)]
        else:
            seeds = _seed_range(text) if "-" in text.strip() else list(range(int(text)))
    except ValueError as error:
        raise InitlabError(f"--seeds {text}: wants a number (3), a range (0-4) or a list (0,7)") from error
    if not seeds:
        raise InitlabError(f"--seeds {text}: names no seed")
    return seeds


def _seed_range(part: str) -> list[int]:
    first, dash, last = part.strip().partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(first)]


def split_inits(text: str) -> list[str]:
    """Split a list of inits whose parameters hold commas too: ``a:x=1,y=2,b`` is ``a:x=1,y=2`` and ``b``."""
    names: list[str] = []
    for piece in (part.strip() for part in text.split(",")):
        if names and "=" in piece and ":" not in piece:
            names[-1] += f",{piece}"
        else:
            names.append(piece)
    return names
