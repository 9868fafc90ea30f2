"""A stored sweep as statements see it: cells, their runs by seed, and which of them a ``where`` means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from initlab.errors import InitlabError, did_you_mean
from initlab.files.json import read_json
from initlab.inits.strategy import INITS
from initlab.results.folder import Cell, SweepFolder
from initlab.results.run import DONE, RunDirectory, RunState

Scalar: TypeAlias = str | int | float | bool
Where: TypeAlias = Mapping[str, Scalar | list[Scalar]]


class StoredRun:
    """One run; its files are read when they are asked for, and once."""

    def __init__(self, seed: int, directory: RunDirectory) -> None:
        self.seed, self.directory = seed, directory

    @cached_property
    def state(self) -> RunState:
        return self.directory.state()

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.directory.summary() or {}

    @cached_property
    def config(self) -> dict[str, Any]:
        return self.directory.config() or {}

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        return self.directory.layers()

    @property
    def done(self) -> bool:
        return self.state.status in DONE


@dataclass(frozen=True)
class StoredCell:
    """All runs that differ by seed alone. ``fields`` holds every field by dotted path, init and activation too."""

    cell: Cell
    fields: dict[str, Any]
    runs: dict[int, StoredRun]

    @property
    def label(self) -> str:
        return self.cell.label

    @property
    def trained(self) -> bool:
        return int(self.fields.get("train.steps", 0)) > 0

    @property
    def unfinished(self) -> list[str]:
        """Say which runs have no result: ``seed 2 failed (out of memory)``."""
        return [
            f"seed {run.seed} {run.state.status}" + (f" ({run.state.reason})" if run.state.reason else "")
            for run in self.runs.values()
            if not run.done
        ]


@dataclass(frozen=True)
class StoredSweep:
    """A sweep's folder, read. ``axes`` are the paths in which its cells differ."""

    path: Path
    name: str
    cells: tuple[StoredCell, ...]
    laws: dict[str, Any]

    @cached_property
    def axes(self) -> list[str]:
        """Return the fields in which cells differ, with the values of each in :meth:`values`."""
        return [path for path in self.fields if len(self.values(path)) > 1]

    @cached_property
    def fields(self) -> list[str]:
        return list(dict.fromkeys(path for cell in self.cells for path in cell.fields))

    def values(self, path: str) -> list[Any]:
        """Return the values a field has in this sweep, in the order of its cells."""
        found: list[Any] = []
        for cell in self.cells:
            if (value := cell.fields.get(path)) not in found:
                found.append(value)
        return found

    def field(self, key: str) -> str:
        """Return the path of a field named with or without its table; raises InitlabError with the nearest name."""
        if key in self.fields:
            return key
        found = [path for path in self.fields if path.rpartition(".")[2] == key]
        if len(found) == 1:
            return found[0]
        names = {*self.fields, *(path.rpartition(".")[2] for path in self.fields)}
        raise InitlabError(f"{self.name} has no field {key!r}{did_you_mean(key, names)}")

    def select(self, where: Where) -> list[StoredCell]:
        """Return the cells that ``where`` means; raises InitlabError for a field or value that no cell has."""
        wanted = {}
        for key, value in where.items():
            path = self.field(key)
            values = value if isinstance(value, list) else [value]
            wanted[path] = [self._known(path, one) for one in values]
        return [
            cell for cell in self.cells if all(cell.fields.get(path) in values for path, values in wanted.items())
        ]

    def _known(self, path: str, value: Scalar) -> Any:
        if path == "init" and isinstance(value, str):
            names = {canonical_init(str(one)): one for one in self.values(path)}
            value = names.get(canonical_init(value), value)
        known = self.values(path)
        if value not in known:
            raise InitlabError(
                f"no cell of {self.name} has {path} = {value!r}{did_you_mean(str(value), map(str, known))}"
            )
        return value


def load_stored(path: Path) -> StoredSweep:
    """Return the sweep stored at ``path``; raises InitlabError where there is none."""
    folder = SweepFolder.open(path)
    runs: dict[int, dict[int, StoredRun]] = {}
    cells: dict[int, Cell] = {}
    for entry in folder.entries():
        cells[id(entry.cell)] = entry.cell
        runs.setdefault(id(entry.cell), {})[entry.seed] = StoredRun(entry.seed, folder.run(entry.id))
    resolved = read_json(path / "spec.resolved.json") or {}
    return StoredSweep(
        path=path,
        name=str(folder.document().get("name") or path.name),
        cells=tuple(StoredCell(cell, _fields(cell), runs[key]) for key, cell in cells.items()),
        laws=resolved.get("laws", {}),
    )


def _fields(cell: Cell) -> dict[str, Any]:
    flat = {f"{table}.{name}": value for table, fields in cell.fields.items() for name, value in fields.items()}
    return {"init": cell.init, "activation": cell.activation, **cell.axes, **flat}


def canonical_init(init: str) -> str:
    """Return an init's own name for one of its aliases, with its parameters; other text as it is."""
    name, colon, parameters = init.partition(":")
    try:
        return INITS.canonical(name.strip()) + colon + parameters
    except InitlabError:
        return init


def labels(cells: Iterable[StoredCell]) -> str:
    """Return a few labels for a message."""
    names = [cell.label for cell in cells]
    return "; ".join(names[:3]) + (f"; and {len(names) - 3} more" if len(names) > 3 else "")
