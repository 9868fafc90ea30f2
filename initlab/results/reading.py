"""The one reading of a sweep's folder: its cells, their runs, and what is stored beside them.

``load_results(path)`` reads the plan. Everything else (a run's files, predictions, laws) is read when it is first
asked for, and kept: each file at most once, so that all who are handed one ``Results`` see the same numbers, also
while the sweep still runs.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from initlab.errors import InitlabError, did_you_mean
from initlab.files.below import folder_below
from initlab.files.public import PublicTable
from initlab.inits.strategy import INITS
from initlab.results.cells import Cell, Run, cells_of
from initlab.results.folder import SweepFolder
from initlab.results.labels import join_label, short
from initlab.store.plan_document import check_plan, check_prediction
from initlab.store.run_state import STATUSES, UNSOUND, RunResult, Status
from initlab.store.stored import (
    Damaged,
    Unreadable,
    has_checksum,
    parse_document,
    raise_for,
    read_content,
)

if TYPE_CHECKING:
    import pandas as pd

    from initlab.results.frames import SweepFrames

PREDICTIONS = "predictions"
"""Folder, inside a sweep's, of what theory expected: one file a distinct network."""

Scalar: TypeAlias = str | int | float | bool
Selection: TypeAlias = Mapping[str, Scalar | list[Scalar]]


@dataclass(frozen=True, repr=False)
class Results(PublicTable):
    """A stored sweep. ``runs`` are in the order of the plan; ``outlooks`` are documents of what each init would do at
    the sizes that the sweep is a proxy for; ``plugin_probes`` says what the probes of plug-ins were tapped at.
    """

    path: Path
    name: str
    question: str | None
    created_at: str | None
    git_sha: str | None
    cells: tuple[Cell, ...]
    runs: tuple[Run, ...]
    outlooks: tuple[dict[str, Any], ...]
    plugin_probes: Mapping[str, str]
    prediction_keys: Mapping[int, str]
    """Which stored prediction is of a cell, by the cell's index."""
    checked: bool = True
    """Whether its documents have checksums, which earlier versions wrote none of."""

    def document(self) -> dict[str, Any]:
        from initlab.results.document import sweep_document  # which takes a Results

        return sweep_document(self)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a planned run: see :class:`~initlab.results.frames.SweepFrames` for its columns."""
        return self.frames.runs

    @cached_property
    def frames(self) -> "SweepFrames":
        """Runs, curves, layers and predictions as tidy frames; reads metrics and layers of every run."""
        from initlab.results.frames import to_frames  # with pandas, which many need not wait for

        return to_frames(self)

    def describe(self) -> str:
        standing = ", ".join(f"{number} {status}" for status, number in self.counts.items() if number)
        question = f": {self.question}" if self.question else ""
        cells = f"{len(self.cells)} cells" if len(self.cells) != 1 else "1 cell"
        return f"{self.name}{question}\n{len(self.runs)} runs of {cells} ({standing}) in {self.path}"

    @cached_property
    def fields(self) -> list[str]:
        """Every field's dotted name."""
        return list(dict.fromkeys(path for cell in self.cells for path in cell.fields))

    @cached_property
    def axes(self) -> list[str]:
        """The fields in which cells differ, init and activation among them."""
        return [path for path in self.fields if len(self.values(path)) > 1]

    @property
    def inits(self) -> list[str]:
        """The inits in the order the spec names them."""
        return list(dict.fromkeys(cell.init for cell in self.cells))

    @property
    def activations(self) -> list[str]:
        return list(dict.fromkeys(cell.activation for cell in self.cells))

    @cached_property
    def counts(self) -> dict[Status, int]:
        """How many runs have each status, zeros among them; damaged and unreadable ones where there are some."""
        counter = Counter(run.status for run in self.runs)
        return {status: counter[status] for status in (*STATUSES, *UNSOUND) if status in STATUSES or counter[status]}

    @property
    def unchecked(self) -> int:
        """How many results an earlier version stored, without checksums to compare them with."""
        return sum(run.state.unchecked for run in self.runs)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What of the folder is damaged or cannot be read, a line each that names the file."""
        runs = [run.state for run in self.runs]
        lines = [str(state.reason) for state in runs if state.status in UNSOUND]
        return (*lines, *(note for state in runs for note in state.notes), *self._read_predictions[1])

    @cached_property
    def spec_text(self) -> str | None:
        try:
            with folder_below(self.path) as folder:
                content = read_content(folder, "spec.toml")
        except (OSError, Damaged, Unreadable):
            return None
        return None if content is None else content.decode("utf-8", errors="replace")

    @cached_property
    def env(self) -> dict[str, Any]:
        """What the first run that started recorded of its machine and software."""
        recorded = next((run.env for run in self.runs if run.env), {})
        return {name: value for name, value in recorded.items() if name != "schema_version"}

    @property
    def laws(self) -> dict[str, Any]:
        """The law table of every network, by digest."""
        laws: dict[str, Any] = self._resolved.get("laws", {})
        return laws

    @property
    def execution(self) -> dict[str, Any] | None:
        """How the runs were computed."""
        execution: dict[str, Any] | None = self._resolved.get("execution")
        return execution

    @cached_property
    def predictions(self) -> dict[int, dict[str, Any]]:
        """The prediction of each cell that has one, by the cell's index; a document with the one field ``reason``
        where theory had nothing to say."""
        files = self._read_predictions[0]
        return {index: files[key] for index, key in sorted(self.prediction_keys.items()) if key in files}

    @cached_property
    def _read_predictions(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Return the predictions by key, and what is wrong with those that cannot be read."""
        files: dict[str, dict[str, Any]] = {}
        problems: list[str] = []
        for key in sorted(set(self.prediction_keys.values())):
            try:
                document = read_prediction(self.path, key)
            except InitlabError as error:  # damaged, or of a newer initlab: the runs may still be readable
                problems.append(str(error))
            else:
                files |= {} if document is None else {key: document}
        return files, problems

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return SweepFolder(self.path).resolved()

    def values(self, path: str) -> list[Any]:
        """Return the values a field has, in the order of the cells; None where a cell has no such field."""
        values: list[Any] = []
        for cell in self.cells:
            if (value := cell.fields.get(path)) not in values:
                values.append(value)
        return values

    def field(self, key: str) -> str:
        """Return the path of a field named with or without its table; raises InitlabError with the nearest name."""
        if key in self.fields:
            return key
        paths = [path for path in self.fields if short(path) == key]
        if len(paths) == 1:
            return paths[0]
        names = {*self.fields, *map(short, self.fields)}
        raise InitlabError(f"{self.name} has no field {key!r}{did_you_mean(key, names)}")

    def select(self, where: Selection) -> list[Cell]:
        """Return the cells that have all the values in ``where``, inits by an alias too.

        Raises InitlabError for a field or value that no cell has.
        """
        wanted = {}
        for key, value in where.items():
            path = self.field(key)
            wanted[path] = [self._known(path, one) for one in (value if isinstance(value, list) else [value])]
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


def load_results(
    path: Path | str, known: Mapping[str, RunResult] = MappingProxyType({}), *, thorough: bool = True
) -> Results:
    """Return the sweep stored in the folder ``path``; raises InitlabError where there is none.

    ``known`` has results of runs that are over, by id, which are not read again. Where not ``thorough``, sizes alone
    say whether a finished run is as it was stored.
    """
    path = Path(path)
    document, checked = _plan(path)
    cells = cells_of(document.get("cells", []))
    runs = tuple(
        _run(path, cells[run["cell"]], run, known.get(run["id"]), thorough) for run in document.get("runs", [])
    )
    keys: Mapping[str, str] = document.get("predictions") or {}
    by_cell: dict[int, dict[int, Run]] = {cell.index: {} for cell in cells}
    for run in runs:
        by_cell[run.cell_index][run.seed] = run
    return Results(
        path=path,
        name=str(document.get("name") or path.resolve().name),
        question=document.get("question"),
        created_at=document.get("created_at"),
        git_sha=document.get("git_sha"),
        cells=tuple(replace(cell, runs=by_cell[cell.index]) for cell in cells),
        runs=runs,
        outlooks=tuple(document.get("outlooks", [])),
        plugin_probes=document.get("plugin_probes") or {},
        prediction_keys={run.cell_index: keys[run.id] for run in runs if run.id in keys},
        checked=checked,
    )


def read_prediction(folder: Path, key: str) -> dict[str, Any] | None:
    """Return a sweep's stored prediction, a document with the one field ``reason`` where theory had nothing to say,
    or None where there is no file. Raises InitlabError for one that is damaged, cannot be read, or is too new."""
    try:
        with folder_below(folder, PREDICTIONS) as predictions:
            content = read_content(predictions, f"{key}.json")
    except OSError as error:
        raise_for(error, folder / PREDICTIONS)
    if content is None:
        return None
    path = folder / PREDICTIONS / f"{key}.json"
    document = parse_document(content, path, check_prediction)
    if "key" in document and (document["key"] != key or not has_checksum(content)):
        raise Damaged(f"{path} is damaged: its checksum is gone, or it is the prediction of another network")
    return document


def canonical_init(init: str) -> str:
    """Return an init's own name for one of its aliases, with its parameters; other text as it is."""
    name, colon, parameters = init.partition(":")
    try:
        return INITS.canonical(name.strip()) + colon + parameters
    except InitlabError:
        return init


def _plan(path: Path) -> tuple[dict[str, Any], bool]:
    """Return ``sweep.json`` and whether it has a checksum, or say what is wrong with a path that is no sweep's."""
    if not path.exists():
        raise InitlabError(f"{path}: no such folder; `initlab sweep -o {path}` would make it")
    content: bytes | None = None
    try:
        with folder_below(path) as folder:
            content = read_content(folder, "sweep.json")
        document = None if content is None else parse_document(content, path / "sweep.json", check_plan)
    except Damaged as error:
        raise InitlabError(f"{error}; the sweep's own command writes it anew") from error
    except NotADirectoryError:
        document = None
    except OSError as error:
        raise_for(error, path)
    if document is None:
        inside = sorted(p.parent.name for p in path.glob("*/sweep.json")) if path.is_dir() else []
        hint = f"; did you mean {path / inside[0]}?" if inside else ""
        raise InitlabError(f"{path} is not a sweep's folder (it has no readable sweep.json){hint}")
    return document, has_checksum(content or b"")


def _run(folder: Path, cell: Cell, run: Mapping[str, Any], known: RunResult | None, thorough: bool) -> Run:
    label = join_label([cell.label, f"seed {run['seed']}"], {})
    return Run(run["id"], cell.index, run["seed"], label, folder / "runs" / run["id"], known, thorough)
