"""A sweep's plan: all that is decided, and all that disk and machine are asked, before anything is trained.

    plan = make_plan(read_spec(Path("experiments/quickstart")))
    len(plan.missing), plan.seconds

It is made once and handed on; who runs, announces or stores it asks neither the disk nor the machine again.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from initlab.errors import InitlabError, did_you_mean
from initlab.files.json import content_hash
from initlab.files.public import PublicValue
from initlab.files.untrusted import named_path
from initlab.machine.execution import Overrides
from initlab.machine.profile import cached_profile, machine_profile
from initlab.planning.execution_plan import ExecutionPlan, plan_execution
from initlab.planning.expand import PlannedRun, expand
from initlab.planning.groups import LaneGroup, group_runs
from initlab.planning.predicted import PlannedPredictions, planned_predictions, proxy_hint, scale_ups
from initlab.planning.workers import lanes_within, training_seconds, worker_count, worker_limit
from initlab.predictions.scale_up import ScaleUp
from initlab.results.folder import SweepFolder
from initlab.spec.sweep import SweepSpec
from initlab.store.run_state import RunState, Status
from initlab.store.stored import Damaged

Retry: TypeAlias = Literal["failed", "diverged", "none"]
"""Which runs that ended badly are trained again: failed ones, diverged ones too, or none."""

Note: TypeAlias = Callable[[str], None]
"""Told in a line what takes a while."""


@dataclass(frozen=True)
class EarlierPlan:
    """What a sweep's folder holds of the plan that was stored last; ``execution`` is its document."""

    created_at: str | None = None
    plugin_probes: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, int] = field(default_factory=dict)
    execution: Any = None
    damaged: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with documents that are not what was stored, by the file's name."""

    @classmethod
    def read(cls, folder: SweepFolder) -> "EarlierPlan":
        """Return what is stored, the defaults where nothing is that was stored so."""
        documents: dict[str, dict[str, Any]] = {}
        damaged: dict[str, str] = {}
        for name, read in (("sweep.json", folder.document), ("spec.resolved.json", folder.resolved)):
            try:
                documents[name] = read()
            except Damaged as error:
                damaged[name] = str(error)
        sweep = documents.get("sweep.json", {})
        return cls(
            sweep.get("created_at"),
            sweep.get("plugin_probes") or {},
            sweep.get("target") or {},
            documents.get("spec.resolved.json", {}).get("execution"),
            damaged,
        )


@dataclass(frozen=True, repr=False)
class Plan(PublicValue):
    """A planned sweep.

    ``states`` says by id where each run stood when this was made, ``missing`` are those to train, ``held`` those that
    another process trains. ``execution`` says how every shape is computed. It is None where nothing is missing or
    held, and where a machine that nobody measured before was not to be measured; the latter cannot be run. ``groups``
    are what trains together, ``workers`` how many of them at once, ``seconds`` what that is estimated to take.
    ``target`` has the sizes that the sweep is a proxy for, by name, ``scale_ups`` what each network would do there,
    and ``hint`` a line about what its sizes hide where no target is named. ``corpora`` describes the texts, a line
    each.
    """

    name: str
    spec: SweepSpec
    folder: SweepFolder
    runs: tuple[PlannedRun, ...]
    states: Mapping[str, RunState]
    missing: tuple[PlannedRun, ...]
    execution: ExecutionPlan | None
    groups: tuple[LaneGroup, ...]
    workers: int
    seconds: float
    predictions: PlannedPredictions
    target: Mapping[str, int]
    scale_ups: tuple[ScaleUp, ...]
    hint: str | None
    corpora: tuple[str, ...]
    earlier: EarlierPlan
    launcher: str = "local"
    held: tuple[PlannedRun, ...] = ()

    def describe(self) -> str:
        to_train = f"{len(self.missing)} to train, about {self.seconds:.0f} s on {self.workers} workers"
        return f"{self.name}: {len(self.runs)} runs, {to_train}; in {self.folder.path}"

    def document(self) -> dict[str, Any]:
        """Return one entry a run, with where it stands."""
        runs = [
            {
                "id": run.id,
                "init": run.entry.cell.init,
                "activation": run.entry.cell.activation,
                "seed": run.entry.seed,
                "status": self.states[run.id].status,
                "axes": run.entry.cell.axes,
            }
            for run in self.runs
        ]
        return {"sweep": self.name, "path": str(self.folder.path), "estimated_seconds": self.seconds, "runs": runs}


def make_plan(
    spec: SweepSpec,
    out: Path | None = None,
    *,
    target: Mapping[str, int] | None = None,
    overrides: Overrides = Overrides(),  # noqa: B008 - a frozen value
    jobs: int | None = None,
    retry: Retry = "failed",
    launcher: str = "local",
    measure: bool = True,
    note: Note = lambda line: None,
) -> Plan:
    """Return the plan of a sweep that lives in ``out``, else in ``results/<name>`` or below INITLAB_OUT.

    A sweep without a name is called ``sweep-`` and the first digits of its content's hash. How a shape is computed
    stays as it was chosen for the sweep before on this machine, and so does the target where none is given; a new
    machine takes a few seconds of measuring, unless not to ``measure``. Nothing is written. Raises InitlabError.
    """
    if retry not in get_args(Retry):
        raise InitlabError(f"retry: no choice {retry!r}{did_you_mean(retry, get_args(Retry))}")
    limit, runs = worker_limit(jobs), tuple(expand(spec))
    name = spec.name or "sweep-" + content_hash(sorted(run.id for run in runs), 8)
    folder = _folder(out or named_path(os.environ.get("INITLAB_OUT", "results"), "INITLAB_OUT") / name)
    earlier = EarlierPlan.read(folder)
    states = {run: folder.run(run).state() for run in dict.fromkeys(run.id for run in runs)}
    missing = tuple(run for run in runs if _is_missing(states[run.id].status, retry))
    concerned = missing + (held := _held(runs, states))
    execution = _execution(runs, earlier, overrides, measure=measure, note=note) if concerned else None
    workers = worker_count(execution, concerned, limit) if execution else limit
    sizes = target or earlier.target
    return Plan(
        name=name,
        spec=spec,
        folder=folder,
        runs=runs,
        states=states,
        missing=missing,
        execution=execution,
        groups=tuple(grouped(missing, execution, workers)) if execution else (),
        workers=workers,
        seconds=training_seconds(missing, workers, execution),
        predictions=planned_predictions(runs),
        target=sizes,
        scale_ups=tuple(scale_ups(runs, sizes)) if sizes else (),
        hint=None if sizes else proxy_hint(runs),
        corpora=tuple(corpus.describe() for corpus in dict.fromkeys(run.corpus for run in runs)),
        earlier=earlier,
        launcher=launcher,
        held=held,
    )


def _folder(path: Path) -> SweepFolder:
    if path.exists() and not path.is_dir():
        raise InitlabError(f"{path} is a file, not a folder; -o takes the folder a sweep is stored in")
    for parent in path.parents:
        if parent.exists():
            if not parent.is_dir():
                raise InitlabError(f"cannot write to {path}: {parent} is a file, not a folder")
            break
    return SweepFolder(path)


def _held(runs: Sequence[PlannedRun], states: Mapping[str, RunState]) -> tuple[PlannedRun, ...]:
    return tuple({run.id: run for run in runs if states[run.id].status == "running"}.values())


def _is_missing(status: Status, retry: Retry) -> bool:
    """Whether a run is still to be trained. Finished ones never are; failed ones are unless ``retry`` is none."""
    kept: dict[Status, bool] = {
        "finished": True,
        "diverged": retry != "diverged",
        "failed": retry == "none",
        "running": True,  # another process is at it
        "unreadable": True,  # it may be there
    }
    return not kept.get(status, False)


def _execution(
    runs: Sequence[PlannedRun], earlier: EarlierPlan, overrides: Overrides, *, measure: bool, note: Note
) -> ExecutionPlan | None:
    """Return how the runs are computed: as was chosen before on this machine, else as is fastest."""
    before = ExecutionPlan.from_json(earlier.execution)
    machine = before.machine if before else cached_profile()
    if machine is None:
        if not measure:
            return None
        note("measuring what this machine is fast at, once: a few seconds")
        machine = machine_profile()
    return plan_execution(runs, machine, overrides, before)


def grouped(missing: Sequence[PlannedRun], execution: ExecutionPlan, workers: int) -> list[LaneGroup]:
    """Return runs as groups of lanes that ``workers`` workers train."""
    return group_runs(
        list(missing),
        jobs=workers,
        lanes=lanes_within(execution, workers),
        filled=lambda run: execution.execution_of(run).fills_lanes,
    )
