"""From a sweep's source to its runs: the grid, each run validated, each with the id of its content."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from initlab.activations.functions import ACTIVATIONS
from initlab.data.corpora import is_corpus_name, load_corpus
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.inits.catalogue import blueprint_for, resolve
from initlab.inits.fingerprint import plugin_code
from initlab.network.blueprint import Blueprint
from initlab.network.topology import Dims
from initlab.planning.source import SweepSource
from initlab.results.cells import Cell
from initlab.results.folder import Entry
from initlab.results.labels import join_label
from initlab.spec.identity import run_id
from initlab.spec.run import DataSpec, ModelSpec, RunSpec, TrainSpec

SPECS: dict[str, type[BaseModel]] = {"model": ModelSpec, "data": DataSpec, "train": TrainSpec}


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


def expand(source: SweepSource) -> list[PlannedRun]:
    """Return the union of the blocks' grids in their order, equal runs once.

    Raises InitlabError naming the key, its line and what would be legal.
    """
    specs = list(dict.fromkeys(spec for block in _points(source) for spec in [_run(block, source)]))
    axes = _varying(specs)
    cells: dict[RunSpec, Cell] = {}
    runs = []
    for spec in specs:
        corpus = _corpus(spec, source)
        blueprint = _blueprint(spec, corpus, source)
        key = spec.model_copy(update={"seed": 0})
        if key not in cells:
            cells[key] = _cell(len(cells), spec, axes, blueprint)
        entry = Entry(run_id(spec, corpus, blueprint.digest, plugin_code(spec)), cells[key], spec.seed)
        runs.append(PlannedRun(spec, entry, blueprint, corpus))
    return runs


def _points(source: SweepSource) -> Iterator[dict[str, Any]]:
    """Yield every point of every block's grid as fields by path; zipped axes move together."""
    for block in source.blocks:
        zipped = {path for group in block.zips for path in group}
        movers = [*((path,) for path in block.axes if path not in zipped), *block.zips]
        ranges = [list(zip(*(block.axes[path] for path in paths), strict=True)) for paths in movers]
        for values in itertools.product(*ranges):
            point = dict(source.fixed)
            for paths, chosen in zip(movers, values, strict=True):
                point.update(zip(paths, chosen, strict=True))
            yield point


def _run(point: dict[str, Any], source: SweepSource) -> RunSpec:
    """Validate one point of the grid."""
    tables: dict[str, Any] = {}
    for table in SPECS:
        fields = {path.partition(".")[2]: v for path, v in point.items() if path.startswith(f"{table}.")}
        tables[table] = validate_table(table, fields, source)
    init, activation = point.get("init", RunSpec().init), point.get("activation", RunSpec().activation)
    for key, value, check in (("init", init, resolve), ("activation", activation, ACTIVATIONS.canonical)):
        if not isinstance(value, str):
            raise InitlabError(f"{source.where('sweep.' + key)}: wants names, got {value!r}")
        try:
            check(value)
        except InitlabError as error:
            raise InitlabError(f"{source.where('sweep.' + key)}: {error}") from error
    try:
        return RunSpec(**tables, init=init, activation=ACTIVATIONS.canonical(activation), seed=point.get("seed", 0))
    except ValidationError as error:
        raise InitlabError(_explain(error, "sweep", source)) from error


def validate_table(table: str, fields: dict[str, Any], source: SweepSource | None = None) -> BaseModel:
    """Return the spec of one table; raises InitlabError naming every wrong field."""
    try:
        return SPECS[table](**fields)
    except ValidationError as error:
        raise InitlabError(_explain(error, table, source or SweepSource())) from error


def _explain(error: ValidationError, table: str, source: SweepSource) -> str:
    """Say every problem pydantic found, each with its key's path and line."""
    lines = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        named = problem["loc"] or [word for word in message.split(maxsplit=1)[:1] if f"{table}.{word}" in _ALL_FIELDS]
        path = ".".join([table, *(str(part) for part in named)])
        message = message[0].lower() + message[1:]
        got = "" if problem["type"] == "value_error" else f", got {problem['input']!r}"
        lines.append(f"{source.where(path)}: {message}{got}")
    return "\n".join(lines)


_ALL_FIELDS = frozenset(f"{table}.{name}" for table, spec in SPECS.items() for name in spec.model_fields)


def _flat(spec: RunSpec) -> dict[str, Any]:
    dumped = spec.model_dump(include=set(SPECS))
    return {f"{table}.{name}": value for table, fields in dumped.items() for name, value in fields.items()}


def _varying(specs: list[RunSpec]) -> list[str]:
    """Return the fields, other than init, activation and seed, that differ between runs."""
    rows = [_flat(spec) for spec in dict.fromkeys(s.model_copy(update={"seed": 0, "init": ""}) for s in specs)]
    return [path for path in rows[0] if any(row[path] != rows[0][path] for row in rows)]


def _cell(index: int, spec: RunSpec, axes: list[str], blueprint: Blueprint) -> Cell:
    flat = _flat(spec)
    swept = {path: flat[path] for path in axes}
    return Cell(
        index=index,
        label=join_label((spec.init, spec.activation), swept),
        init=spec.init,
        activation=spec.activation,
        axes=swept,
        fields={"init": spec.init, "activation": spec.activation, **flat},
        network=blueprint.words,
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


def _corpus(spec: RunSpec, source: SweepSource) -> Corpus:
    try:
        base = source.path.parent if source.path else None
        corpus = load_corpus(corpus_name(spec, base), spec.data.tokenizer)
        corpus.check(block_size=spec.model.block_size, vocab_size=spec.model.vocab_size)
    except InitlabError as error:
        raise InitlabError(f"{source.where('data.corpus')}: {error}") from error
    return corpus


def _blueprint(spec: RunSpec, corpus: Corpus, source: SweepSource) -> Blueprint:
    try:
        blueprint = blueprint_for(spec.model, spec.init, spec.activation, corpus.vocab_size)
        _check_optimizer(spec, blueprint)
    except InitlabError as error:
        raise InitlabError(f"{source.where('sweep.init')}: {error}") from error
    return blueprint


def _check_optimizer(spec: RunSpec, blueprint: Blueprint) -> None:
    """Learning-rate rules are those of one optimizer: what scales AdamW's steps right scales SGD's wrong."""
    if spec.train.optimizer != "adamw" and blueprint.moves_by_slot:
        raise InitlabError(
            f"init {spec.init!r} sets learning rates, weight decays or eps by slot for AdamW, which optimizer = "
            f'"{spec.train.optimizer}" would follow wrongly or not at all; set optimizer = "adamw"'
        )
