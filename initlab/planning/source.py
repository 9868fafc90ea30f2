"""Where a sweep's settings come from: a TOML file, or the same structure made from flags.

Knows the shape of a spec file and the lines of its keys; what the values mean is checked when they are expanded.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError, did_you_mean
from initlab.files.json import canonical_json
from initlab.files.toml import read_toml
from initlab.spec.run import DataSpec, ModelSpec, TrainSpec

TABLES: dict[str, frozenset[str]] = {
    "model": frozenset(ModelSpec.model_fields),
    "data": frozenset(DataSpec.model_fields),
    "train": frozenset(TrainSpec.model_fields),
}
RUN_FIELDS = frozenset({"init", "activation", "seed"})
TOP_LEVEL = frozenset({"name", "question", "sweep", *TABLES})


@dataclass(frozen=True)
class Block:
    """One grid: ``axes`` maps a field's path to its values, ``zips`` names paths that move together."""

    axes: dict[str, list[Any]] = field(default_factory=dict)
    zips: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class SweepSource:
    """A sweep as given: fixed fields by path, and the blocks whose union is swept."""

    name: str | None = None
    question: str | None = None
    fixed: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[Block, ...] = (Block(),)
    text: str = ""
    path: Path | None = None
    overridden: bool = False

    def where(self, key: str) -> str:
        """Return ``file, line N: key`` for messages, as far as it is known."""
        line = key_line(self.text, key) if self.text else None
        file = str(self.path) if self.path else None
        place = ", ".join(filter(None, [file, f"line {line}" if line else None]))
        return f"{place}: {key}" if place else key


def field_path(key: str) -> str:
    """Return the path of a field named with or without its table; raises InitlabError with the nearest name."""
    if key in RUN_FIELDS:
        return key
    table, dot, name = key.partition(".")
    if dot:
        if table not in TABLES:
            raise InitlabError(f"no table [{table}]{did_you_mean(table, TABLES)}")
        if name not in TABLES[table]:
            raise InitlabError(f"[{table}] has no field {name!r}{did_you_mean(name, TABLES[table])}")
        return key
    found = [table for table, names in TABLES.items() if key in names]
    if not found:
        raise InitlabError(f"no field {key!r}{did_you_mean(key, RUN_FIELDS.union(*TABLES.values()))}")
    return f"{found[0]}.{key}"


def read_spec(path: Path) -> SweepSource:
    """Read ``sweep.toml``, or the one in a folder. Raises InitlabError naming file, line and key."""
    if path.is_dir():
        path = path / "sweep.toml"
    if not path.exists():
        raise InitlabError(f"{path}: no such spec file{_nearby(path)}")
    file = read_toml(path, "spec file")
    return _parse(file.document, SweepSource(text=file.text, path=path))


def _nearby(path: Path) -> str:
    specs = [str(p.parent) for p in Path("experiments").glob("*/sweep.toml")]
    return did_you_mean(str(path.parent if path.name == "sweep.toml" else path), specs) if specs else ""


def _parse(document: dict[str, Any], source: SweepSource) -> SweepSource:
    for key in document:
        if key not in TOP_LEVEL:
            hint = "; it is an axis: put it under [sweep]" if key in RUN_FIELDS else did_you_mean(key, TOP_LEVEL)
            raise InitlabError(f"{source.where(key)}: unknown key{hint}")
    for key in ("name", "question"):
        if not isinstance(document.get(key, ""), str):
            raise InitlabError(f"{source.where(key)}: wants a string")
    check_name(document.get("name"), source.where("name"))
    blocks = document.get("sweep", {})
    tables = {table: document.get(table, {}) for table in TABLES}
    return replace(
        source,
        name=document.get("name"),
        question=document.get("question"),
        fixed=_flatten(tables, source),
        blocks=tuple(_block(block, source) for block in (blocks if isinstance(blocks, list) else [blocks])),
    )


def check_name(name: str | None, where: str) -> None:
    """A sweep's name is the name of its folder: letters, digits, dots, dashes and underscores."""
    if name is not None and not re.fullmatch(r"[\w-][\w.-]*", name):
        raise InitlabError(f"{where}: {name!r} cannot name a folder; use letters, digits, '.', '-' and '_'")


def _flatten(tables: dict[str, Any], source: SweepSource, prefix: str = "") -> dict[str, Any]:
    fixed = {}
    for table, values in tables.items():
        if not isinstance(values, dict):
            raise InitlabError(f"{source.where(prefix + table)}: wants a table")
        for name, value in values.items():
            path = _checked_path(f"{table}.{name}", source, prefix)
            if isinstance(value, list):
                raise InitlabError(f"{source.where(prefix + path)}: a list is an axis: put it under [sweep]")
            fixed[path] = value
    return fixed


def _block(block: Any, source: SweepSource) -> Block:
    if not isinstance(block, dict):
        raise InitlabError(f"{source.where('sweep')}: wants a table of axes")
    fixed = _flatten({key: value for key, value in block.items() if key in TABLES}, source, "sweep.")
    axes = {path: [value] for path, value in fixed.items()}
    for key, value in block.items():
        if key in TABLES or key == "zip":
            continue
        values = value if isinstance(value, list) else [value]
        if not values:
            raise InitlabError(f"{source.where('sweep.' + key)}: an axis wants at least one value")
        axes[_checked_path(key, source, "sweep.")] = values
    return Block(axes, _zips(block.get("zip", []), axes, source))


def _zips(groups: Any, axes: dict[str, list[Any]], source: SweepSource) -> tuple[tuple[str, ...], ...]:
    where = source.where("sweep.zip")
    if not (isinstance(groups, list) and all(isinstance(group, list) for group in groups)):
        raise InitlabError(f'{where}: wants lists of axes, such as [["model.n_embd", "model.n_head"]]')
    zips = []
    for group in groups:
        paths = tuple(_checked_path(str(key), source, "sweep.") for key in group)
        missing = [path for path in paths if path not in axes]
        if missing:
            raise InitlabError(f"{where}: {missing[0]!r} is no axis of this block{did_you_mean(missing[0], axes)}")
        lengths = {path: len(axes[path]) for path in paths}
        if len(set(lengths.values())) > 1:
            raise InitlabError(f"{where}: axes that move together want equally many values, not {lengths}")
        zips.append(paths)
    return tuple(zips)


def _checked_path(key: str, source: SweepSource, prefix: str) -> str:
    try:
        return field_path(key)
    except InitlabError as error:
        raise InitlabError(f"{source.where(prefix + key)}: {error}") from error


def key_line(text: str, key: str) -> int | None:
    """Return the line (from 1) on which a dotted key of a TOML text is set, None where it cannot be told.

    Looks for the last part under a header that ends the way the first parts do; a quoted dotted key counts whole.
    """
    header = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            header = found[1].replace('"', "")
            if header == key:
                return number
        elif found := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            name = re.sub("[\"']", "", found[1])
            if key in (name, f"{header}.{name}", f"{header}.{name}".removeprefix("sweep.")):
                return number
    return None


def override(source: SweepSource, values: dict[str, list[Any]]) -> SweepSource:
    """Return ``source`` with fields set by flags: they win over the file's tables and replace its axes.

    A block that pins ``steps = 0`` keeps it: it is there to probe at init what would cost too much to train.
    """
    if not values:
        return source
    blocks = []
    for block in source.blocks:
        mine = dict(values)
        if block.axes.get("train.steps") == [0]:
            mine.pop("train.steps", None)
        kept = {path: axis for path, axis in block.axes.items() if path not in mine}
        zips = tuple(group for group in block.zips if not set(group) & set(mine))
        blocks.append(Block({**kept, **mine}, zips))
    return replace(source, blocks=tuple(blocks), overridden=True)


def to_toml(source: SweepSource) -> str:
    """Return the spec's text: the file's own where no flag changed it, else one that says the same.

    JSON's strings, numbers and lists are TOML's too.
    """
    if source.text and not source.overridden:
        return source.text
    lines = [f"{key} = {canonical_json(value)}" for key in ("name", "question") if (value := getattr(source, key))]
    for table in TABLES:
        fields = {p.partition(".")[2]: v for p, v in source.fixed.items() if p.startswith(f"{table}.")}
        if fields:
            lines += [f"\n[{table}]", *(f"{name} = {canonical_json(value)}" for name, value in fields.items())]
    for block in source.blocks:
        lines.append("\n[[sweep]]")
        lines += [f'"{path}" = {canonical_json(values)}' for path, values in block.axes.items()]
        if block.zips:
            lines.append(f"zip = {canonical_json(block.zips)}")
    return "\n".join(lines).lstrip("\n") + "\n"
