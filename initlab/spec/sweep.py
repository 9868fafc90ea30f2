"""What is asked: a sweep's settings, from a TOML file, or the same made from flags.

Knows the shape of a spec file and where each of its keys stands; what the values mean is checked when they are
expanded.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from initlab.errors import InitlabError, did_you_mean
from initlab.files.escaping import brief
from initlab.files.json import canonical_json
from initlab.files.toml import Location, TomlFile, read_toml
from initlab.spec.fields import FIELDS, RUN_FIELDS, TABLES, field_path

TOP_LEVEL = frozenset({"name", "question", "sweep", *TABLES})

NAME_PATTERN = r"[\w-][\w.-]*"
"""A sweep's name is the name of its folder."""

LONGEST_NAME = 100
"""Characters of a sweep's name: with what is added beside it, a file's name of at most 255 bytes."""

Zips: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Grid:
    """One grid: ``axes`` maps a field's path to its values, ``zips`` names paths that move together.

    ``locations`` says where in the file an axis stands.
    """

    axes: dict[str, list[Any]] = field(default_factory=dict)
    zips: Zips = ()
    locations: dict[str, Location] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class SweepSpec:
    """A sweep as asked: fixed fields by path, and the grids whose union is swept. ``file`` is what it was read from,
    and ``overridden`` says that flags changed it since."""

    name: str | None = None
    question: str | None = None
    fixed: dict[str, Any] = field(default_factory=dict)
    grids: tuple[Grid, ...] = (Grid(),)
    file: TomlFile | None = None
    overridden: bool = False

    @property
    def path(self) -> Path | None:
        return self.file.path if self.file else None

    def is_from_file(self, path: str, grid: Grid) -> bool:
        """Whether a field has its value from the file, and not from a flag or a call."""
        if self.file is None:
            return False
        return path in grid.locations if path in grid.axes else path in self.fixed

    def where(self, path: str, grid: Grid | None = None) -> str:
        """Return ``file, line N: key`` of a field for messages, as far as it is known.

        ``grid`` is the one whose run has it: an axis of it wins over a fixed field.
        """
        if grid is not None and path in grid.axes:
            location = grid.locations.get(path)
        else:
            location = tuple(path.split(".")) if path in self.fixed else None
        if self.file is None or location is None:
            return f"sweep.{path}" if path in RUN_FIELDS else path
        return self.file.where(location)


def read_spec(path: Path) -> SweepSpec:
    """Read ``sweep.toml``, or the one in a folder. Raises InitlabError naming file, line and key."""
    folder = path if path.is_dir() else None
    if folder is not None:
        path = folder / "sweep.toml"
    if not path.exists():
        raise InitlabError(f"{path}: no such spec file{_nearby(path)}")
    return _parse(read_toml(path, "spec file", below=folder))


def _nearby(path: Path) -> str:
    specs = [str(p.parent) for p in Path("experiments").glob("*/sweep.toml")]
    return did_you_mean(str(path.parent if path.name == "sweep.toml" else path), specs) if specs else ""


def _parse(file: TomlFile) -> SweepSpec:
    document = file.document
    for key in document:
        if key not in TOP_LEVEL:
            hint = "; it is an axis: put it under [sweep]" if key in RUN_FIELDS else did_you_mean(key, TOP_LEVEL)
            raise InitlabError(f"{file.where((key,))}: unknown key{hint}")
    for key in ("name", "question"):
        if not isinstance(document.get(key, ""), str):
            raise InitlabError(f"{file.where((key,))}: expected text, got {brief(document[key])}")
    if "name" in document:
        check_name(document["name"], file.where(("name",)))
    return SweepSpec(document.get("name"), document.get("question"), _fixed(file), _grids(file), file)


def check_name(name: str | None, where: str) -> None:
    """Raise InitlabError, naming ``where``, for a name of a sweep that cannot be the name of its folder."""
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        raise InitlabError(f"{where}: {brief(name)} cannot name a folder; use letters, digits, '.', '-' and '_'")
    if name is not None and len(name) > LONGEST_NAME:
        raise InitlabError(f"{where}: {brief(name)} is too long to name a folder: at most {LONGEST_NAME} characters")


def _fixed(file: TomlFile) -> dict[str, Any]:
    fixed = {}
    for table in TABLES:
        for path, value, location in _settings(file, (table,), file.document.get(table, {})):
            if isinstance(value, list):
                raise InitlabError(f"{file.where(location)}: a list is an axis: put it under [sweep]")
            fixed[path] = value
    return fixed


def _settings(file: TomlFile, location: Location, values: Any) -> list[tuple[str, Any, Location]]:
    """Return (path, value, location) of every field of a table such as ``[model]`` or ``[sweep.model]``."""
    if not isinstance(values, dict):
        raise InitlabError(f"{file.where(location)}: expected a table, got {brief(values)}")
    places = {name: (*location, name) for name in values}
    return [(_path(file, f"{location[-1]}.{name}", places[name]), values[name], places[name]) for name in values]


def _grids(file: TomlFile) -> tuple[Grid, ...]:
    tables = file.document.get("sweep", {})
    if isinstance(tables, list):
        return tuple(_grid(file, ("sweep", number), table) for number, table in enumerate(tables))
    return (_grid(file, ("sweep",), tables),)


def _grid(file: TomlFile, location: Location, table: Any) -> Grid:
    if not isinstance(table, dict):
        raise InitlabError(f"{file.where(location)}: expected a table of axes, got {brief(table)}")
    axes: dict[str, list[Any]] = {}
    locations: dict[str, Location] = {}
    for key, value in table.items():
        place = (*location, key)
        if key == "zip":
            continue
        settings = _settings(file, place, value) if key in TABLES else [(_path(file, key, place), value, place)]
        for path, values, where in settings:
            axes[path], locations[path] = values if isinstance(values, list) else [values], where
            if not axes[path]:
                raise InitlabError(f"{file.where(where)}: expected at least one value of an axis, got none")
    return Grid(axes, _zips(file, (*location, "zip"), table.get("zip", []), axes), locations)


def _zips(file: TomlFile, location: Location, groups: Any, axes: dict[str, list[Any]]) -> Zips:
    if not (isinstance(groups, list) and all(isinstance(group, list) for group in groups)):
        example = '[["model.n_embd", "model.n_head"]]'
        raise InitlabError(f"{file.where(location)}: expected lists of axes, such as {example}")
    zips: list[tuple[str, ...]] = []
    for group in groups:
        paths = tuple(_path(file, str(key), location) for key in group)
        missing = [path for path in paths if path not in axes]
        if missing:
            hint = did_you_mean(missing[0], axes)
            raise InitlabError(f"{file.where(location)}: {missing[0]!r} is no axis of this table{hint}")
        if len({*paths}) < len(paths) or any({*paths} & {*earlier} for earlier in zips):
            raise InitlabError(f"{file.where(location)}: {paths[0]!r} moves with others twice")
        lengths = {path: len(axes[path]) for path in paths}
        if len(set(lengths.values())) > 1:
            raise InitlabError(
                f"{file.where(location)}: axes that move together have equally many values, these have {lengths}"
            )
        zips.append(paths)
    return tuple(zips)


def _path(file: TomlFile, key: str, location: Location) -> str:
    try:
        return field_path(key)
    except InitlabError as error:
        raise InitlabError(f"{file.where(location)}: {error}") from error


STEPS = "train.steps"


def override(spec: SweepSpec, values: dict[str, list[Any]]) -> SweepSpec:
    """Return ``spec`` with fields set by flags: they win over the file's tables and replace its axes.

    A grid that pins ``steps = 0`` keeps it: it is there to probe at init what would cost too much to train.
    """
    if not values:
        return spec
    return replace(spec, grids=tuple(_overridden(grid, values) for grid in spec.grids), overridden=True)


def _overridden(grid: Grid, values: dict[str, list[Any]]) -> Grid:
    only_probes = grid.axes.get(STEPS) == [0]
    given = {path: axis for path, axis in values.items() if not (only_probes and path == STEPS)}
    kept = {path: axis for path, axis in grid.axes.items() if path not in given}
    return Grid(
        axes={**kept, **given},
        zips=tuple(group for group in grid.zips if not set(group) & set(given)),
        locations={path: place for path, place in grid.locations.items() if path in kept},
    )


def to_toml(spec: SweepSpec) -> str:
    """Return the spec's text: the file's own where no flag changed it, else one that says the same.

    JSON's strings, numbers and lists are TOML's too.
    """
    if spec.file and not spec.overridden:
        return spec.file.text
    lines = [f"{key} = {canonical_json(value)}" for key in ("name", "question") if (value := getattr(spec, key))]
    for table in TABLES:
        values = {FIELDS[path].name: value for path, value in spec.fixed.items() if FIELDS[path].table == table}
        if values:
            lines += [f"\n[{table}]", *(f"{name} = {canonical_json(value)}" for name, value in values.items())]
    for grid in spec.grids:
        lines.append("\n[[sweep]]")
        lines += [f'"{path}" = {canonical_json(values)}' for path, values in grid.axes.items()]
        if grid.zips:
            lines.append(f"zip = {canonical_json(grid.zips)}")
    return "\n".join(lines).lstrip("\n") + "\n"
