"""All runs that differ by seed alone, and one run of them, as a sweep's folder holds them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from initlab.files.json import canonical_json
from initlab.results.labels import join_label, short, unique_labels
from initlab.results.run_folder import DONE, RunDirectory, RunResult, RunState, Status
from initlab.store.row_files import LAYERS, METRICS
from initlab.store.run_reading import RunReading

NAMES = ("init", "activation")
"""Fields that are part of every label."""


@dataclass(frozen=True)
class Run:
    """One planned run; its files are read when they are first asked for, and once."""

    id: str
    cell_index: int
    seed: int
    label: str
    path: Path
    known: RunResult | None = field(default=None, repr=False, compare=False)
    """The result of a run that is over, where it was read before: it does not change any more."""
    thorough: bool = field(default=True, repr=False, compare=False)
    """Whether its files are compared with their checksums before it counts as finished."""

    @property
    def state(self) -> RunState:
        return self._reading.state

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def summary(self) -> dict[str, Any]:
        """``summary.json``; empty while the run has no result."""
        return self._reading.summary or {}

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """Rows ``{"step", "train_loss", "lr", "grad_norm"}`` and, at evaluations, ``"val_loss"`` (nats per token)."""
        return self._reading.rows(METRICS)

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """Rows ``{"step", probe: value or list over sites or layers, ...}``."""
        return self._reading.rows(LAYERS)

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.json``: what was trained, and on which text; empty where the run never started."""
        return self._reading.config()

    @cached_property
    def env(self) -> dict[str, Any]:
        """``env.json``: machine and software; empty where the run never started."""
        return self._reading.env()

    @property
    def done(self) -> bool:
        return self.status in DONE

    @cached_property
    def _reading(self) -> RunReading:
        return RunDirectory(self.path).reading(self.known, thorough=self.thorough)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """All runs that differ by seed alone.

    ``label`` is unique in its sweep. ``init`` is the name it was asked for by. ``axes`` holds the swept fields other
    than init, activation and seed; ``fields`` every field by dotted name (``model.n_layer``), init and activation
    among them, but the seed. ``network`` says how the network differs from GPT-2's. ``runs`` are by seed; a cell that
    is only planned has none.
    """

    index: int
    label: str
    init: str
    activation: str
    axes: Mapping[str, Any]
    fields: Mapping[str, Any]
    network: str = ""
    runs: Mapping[int, Run] = field(default_factory=dict)

    @property
    def n_layer(self) -> int:
        return int(self.fields["model.n_layer"])

    @property
    def steps(self) -> int:
        """Optimizer steps; 0 where the cell is probed at init only."""
        return int(self.fields.get("train.steps", 0))

    @property
    def trained(self) -> bool:
        return self.steps > 0

    @property
    def unfinished(self) -> list[str]:
        """Describe the runs that have no result: ``seed 2 failed (out of memory)``."""
        return [
            f"seed {run.seed} {run.status}" + (f" ({run.state.reason})" if run.state.reason else "")
            for run in self.runs.values()
            if not run.done
        ]

    def to_json(self) -> dict[str, Any]:
        """Return what ``sweep.json`` holds of the cell: its fields by table, neither index nor label nor runs."""
        tables: dict[str, dict[str, Any]] = {}
        for path, value in self.fields.items():
            table, dot, name = path.partition(".")
            if dot:
                tables.setdefault(table, {})[name] = value
        return {
            "init": self.init,
            "activation": self.activation,
            "axes": dict(self.axes),
            "fields": tables,
            "network": self.network,
        }


def cells_of(documents: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Return the cells of ``sweep.json``, without their runs."""
    fields = [_fields(document) for document in documents]
    labels = _labels(documents, fields)
    return [
        Cell(
            index=index,
            label=labels[index],
            init=str(document["init"]),
            activation=str(document["activation"]),
            axes=document["axes"],
            fields=fields[index],
            network=str(document.get("network", "")),
        )
        for index, document in enumerate(documents)
    ]


def _labels(documents: Sequence[Mapping[str, Any]], fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a label a cell; where axes are equal, the fields in which the cells differ tell them apart."""
    differing = _differing(fields)
    plain, full = [], []
    for document, own in zip(documents, fields, strict=True):
        names = [str(document[name]) for name in NAMES]
        plain.append(join_label(names, document["axes"]))
        full.append(join_label(names, {path: own.get(path) for path in differing}))
    seen = Counter(plain)
    return unique_labels([one if seen[one] == 1 else other for one, other in zip(plain, full, strict=True)])


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return every field by dotted name, and the axes that are no field of a table."""
    named = {name: document[name] for name in NAMES}
    flat = {f"{table}.{name}": value for table, own in document["fields"].items() for name, value in own.items()}
    known = {*flat, *map(short, flat)}
    return {**named, **{path: value for path, value in document["axes"].items() if path not in known}, **flat}


def _differing(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the paths whose values differ. JSON tells 1 from true and null from nothing, which ``==`` does not."""
    paths: Iterable[str] = dict.fromkeys(path for own in fields for path in own if path not in NAMES)
    return [path for path in paths if len({canonical_json(own.get(path)) for own in fields}) > 1]
