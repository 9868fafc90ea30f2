"""From a sweep's source to its runs: the grid, each run validated, each with the id of its content."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from initlab.data.corpora import is_corpus_name, load_corpus
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.files.json import content_hash
from initlab.files.toml import Location, explain
from initlab.inits.as_source import sourced
from initlab.inits.catalogue import blueprint_for
from initlab.inits.fingerprint import plugin_code
from initlab.network.blueprint import Blueprint
from initlab.network.topology import Dims
from initlab.optimizers.rules import adam_like_names
from initlab.optimizers.rules import resolve as resolve_optimizer
from initlab.planning.names import names_of
from initlab.results.cells import Cell
from initlab.results.folder import Entry
from initlab.results.labels import join_label
from initlab.spec.fields import FIELDS, RUN_FIELDS, TABLES, field_values
from initlab.spec.identity import run_id
from initlab.spec.run import RunSpec
from initlab.spec.sweep import Grid, SweepSpec

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class PlannedRun:
    """One run: its spec, its place in the sweep, and what its id was made from."""

    spec: RunSpec
    entry: Entry
    blueprint: Blueprint
    corpus: Corpus

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def dims(self) -> Dims:
        return self.blueprint.dims

    @cached_property
    def shape(self) -> str:
        """Equal text for runs that one batched model can train: fields that are declared to be per lane are data.

        Runs that are only probed are apart from those that train, so that neither waits for the other. A field that
        is as it was before there was such a field says nothing: a stored choice for a shape outlives new fields.
        """
        fixed = {
            path: value
            for path, value in field_values(self.spec).items()
            if not FIELDS[path].traits.per_lane and value != FIELDS[path].neutral
        }
        return content_hash([self.blueprint.shape, self.spec.train.steps == 0, fixed])


def expand(sweep: SweepSpec) -> list[PlannedRun]:
    """Return the union of the grids in their order, equal runs once.

    Fields that ``as_source`` sets are in a run's spec, and no axes: the sweep did not ask for them. Raises
    InitlabError naming the key, its line and what would be legal.
    """
    grids: dict[RunSpec, Grid] = {}
    asked: list[RunSpec] = []
    for grid, point in _points(sweep):
        asked.append(_run(point, sweep, grid))
        grids.setdefault(_as_source(asked[-1], "activation" in point, sweep, grid), grid)
    axes = _varying(asked)
    cells: dict[RunSpec, Cell] = {}
    runs = []
    for spec, grid in grids.items():
        corpus = _corpus(spec, sweep, grid)
        blueprint = _blueprint(spec, corpus, sweep, grid)
        key = spec.model_copy(update={"seed": 0})
        if key not in cells:
            cells[key] = _cell(len(cells), spec, axes, blueprint)
        entry = Entry(run_id(spec, corpus, blueprint.digest, plugin_code(spec)), cells[key], spec.seed)
        runs.append(PlannedRun(spec, entry, blueprint, corpus))
    return runs


def _points(sweep: SweepSpec) -> Iterator[tuple[Grid, dict[str, Any]]]:
    """Yield every point of every grid as fields by path; zipped axes move together."""
    for grid in sweep.grids:
        zipped = {path for group in grid.zips for path in group}
        movers = [*((path,) for path in grid.axes if path not in zipped), *grid.zips]
        ranges = [list(zip(*(grid.axes[path] for path in paths), strict=True)) for paths in movers]
        for values in itertools.product(*ranges):
            point = dict(sweep.fixed)
            for paths, chosen in zip(movers, values, strict=True):
                point.update(zip(paths, chosen, strict=True))
            yield grid, point


def _run(point: dict[str, Any], sweep: SweepSpec, grid: Grid) -> RunSpec:
    """Validate one point of a grid."""

    def where(path: str) -> str:
        return sweep.where(path, grid)

    tables = {table: _checked(model, _table(point, table), where, table) for table, model in TABLES.items()}
    return _checked(RunSpec, {**tables, **{path: point[path] for path in RUN_FIELDS & point.keys()}}, where)


def _as_source(spec: RunSpec, activation_given: bool, sweep: SweepSpec, grid: Grid) -> RunSpec:
    """Return a run with the network of its init's source filled in, where it asks for that."""
    if not spec.model.as_source:
        return spec
    try:
        model, activation = sourced(spec.model, spec.init, spec.activation if activation_given else None)
    except InitlabError as error:
        raise InitlabError(f"{sweep.where('model.as_source', grid)}: {error}") from error
    return spec.model_copy(update={"model": model, "activation": activation})


def _table(point: dict[str, Any], table: str) -> dict[str, Any]:
    return {path.partition(".")[2]: value for path, value in point.items() if path.startswith(f"{table}.")}


def check_table(table: str, values: dict[str, Any]) -> BaseModel:
    """Return the spec of one table; raises InitlabError naming every wrong field."""
    return _checked(TABLES[table], values, lambda path: path, table)


def _checked(model: type[M], values: dict[str, Any], where: Callable[[str], str], table: str = "") -> M:
    """Return values as a model, names as they are registered; raises InitlabError naming every wrong field."""

    def place(location: Location) -> str:
        return where(".".join(map(str, (table, *location) if table else location)))

    try:
        checked = model(**values)
    except ValidationError as error:
        raise InitlabError(explain(error, model, place)) from error
    changes = {}
    for name in model.model_fields:
        field = FIELDS.get(f"{table}.{name}" if table else name)
        value = getattr(checked, name)
        if value is not None and field is not None and (names := names_of(field)) is not None:
            try:
                changes[name] = names.check(value)
            except InitlabError as error:
                raise InitlabError(f"{where(field.path)}: {error}") from error
    return checked.model_copy(update=changes) if changes else checked


def _varying(specs: list[RunSpec]) -> list[str]:
    """Return the fields of tables (so not init, activation and seed) that differ between runs."""
    rows = [field_values(spec) for spec in dict.fromkeys(s.model_copy(update={"seed": 0, "init": ""}) for s in specs)]
    return [path for path in rows[0] if path not in RUN_FIELDS and any(row[path] != rows[0][path] for row in rows)]


def _cell(index: int, spec: RunSpec, axes: list[str], blueprint: Blueprint) -> Cell:
    values = {path: value for path, value in field_values(spec).items() if path not in RUN_FIELDS}
    swept = {path: values[path] for path in axes}
    return Cell(
        index=index,
        label=join_label((spec.init, spec.activation), swept),
        init=spec.init,
        activation=spec.activation,
        axes=swept,
        fields={"init": spec.init, "activation": spec.activation, **values},
        network=blueprint.describe(),
    )


def corpus_name(spec: RunSpec, base: Path | None) -> str:
    """Return a run's corpus as any process can load it: a path beside the spec file is made absolute."""
    name = spec.data.corpus
    if is_corpus_name(name):
        return name
    for folder in filter(None, (base, Path())):
        if (folder / name).exists():
            return str((folder / name).absolute())
    return name


def _corpus(spec: RunSpec, sweep: SweepSpec, grid: Grid) -> Corpus:
    try:
        corpus = load_corpus(corpus_name(spec, sweep.path.parent if sweep.path else None), spec.data.tokenizer)
        corpus.check(block_size=spec.model.block_size, vocab_size=spec.model.vocab_size)
    except InitlabError as error:
        raise InitlabError(f"{sweep.where('data.corpus', grid)}: {error}") from error
    return corpus


def _blueprint(spec: RunSpec, corpus: Corpus, sweep: SweepSpec, grid: Grid) -> Blueprint:
    try:
        blueprint = blueprint_for(spec.model, spec.init, spec.activation, corpus.vocab_size)
        _check_optimizer(spec, blueprint)
    except InitlabError as error:
        raise InitlabError(f"{sweep.where('init', grid)}: {error}") from error
    return blueprint


def _check_optimizer(spec: RunSpec, blueprint: Blueprint) -> None:
    """Learning rates by slot were made for one kind of step: what keeps Adam's alike makes SGD's unlike."""
    if blueprint.moves_by_slot and not resolve_optimizer(spec.train.optimizer).entry.adam_like:
        likes = " or ".join(f'"{name}"' for name in adam_like_names())
        raise InitlabError(
            f"init {spec.init!r} sets learning rates, weight decays or eps by slot for steps like Adam's, which "
            f'optimizer = "{spec.train.optimizer}" would follow wrongly or not at all; set optimizer = {likes}'
        )
