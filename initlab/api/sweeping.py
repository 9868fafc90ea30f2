"""Sweeps: planned, run, loaded again, reported, and where each of their runs stands."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from initlab.api.axes import Values, axes_of, names_in, seeds_of, target_sizes
from initlab.api.display import progress_for
from initlab.errors import InitlabError
from initlab.files.public import PublicTable, PublicValue
from initlab.files.untrusted import named_path
from initlab.launchers.launcher import parse_launcher
from initlab.machine.execution import CompileMode, Overrides
from initlab.planning.plan import Note, Plan, Retry, make_plan
from initlab.planning.progress import Progress
from initlab.planning.requested import requested_spec
from initlab.plugins.loading import load_plugins
from initlab.probes.reductions import PROBES
from initlab.reporting.formats import FORMATS, check_formats
from initlab.results.reading import Results, load_results
from initlab.results.verification import damaged_beside_results
from initlab.running import current_counts, run_plan
from initlab.store.run_state import Status

if TYPE_CHECKING:
    import pandas as pd

    from initlab.reporting.analysis import Analysis
    from initlab.verdicts.claims import JudgedClaims

__all__ = [
    "FORMATS",
    "Analysis",
    "JudgedClaims",
    "Plan",
    "Results",
    "Standing",
    "Status",
    "WrittenReport",
    "current_counts",
    "load",
    "planned_sweep",
    "report",
    "run_sweep",
    "skipped_probes",
    "status",
    "sweep",
]

Sweep: TypeAlias = str | Path | Results
"""A stored sweep: its folder, or what was read of it."""


def sweep(
    spec: str | Path | None = None,
    *,
    init: str | Iterable[str] | None = None,
    activation: str | Iterable[str] | None = None,
    seeds: int | Iterable[int] | None = None,
    name: str | None = None,
    out: str | Path | None = None,
    target: Mapping[str, int] | None = None,
    jobs: int | None = None,
    lanes: int | None = None,
    compile: CompileMode = "auto",
    device: str = "auto",
    launcher: str = "local",
    retry: Retry = "failed",
    wait: bool = True,
    max_failures: int | None = None,
    plugins: Sequence[str] = (),
    progress: bool | Progress = True,
    **fields: Values,
) -> Results:
    """Train what is missing of a sweep and return all its results; the same call again resumes it.

    ``spec`` is a sweep.toml or its folder; without one the arguments make the sweep, without any the quickstart.
    ``fields`` are fields of a run by name (``lr=1e-3``): several values are an axis, and win over the spec's.
    ``seeds`` is how many or which, ``out`` the sweep's folder. ``jobs``, ``lanes``, ``compile`` and ``device``
    override what was measured. Unless not to ``wait``, runs of other processes are waited for; after ``max_failures``
    failed runs the rest is left. Raises InitlabError for mistakes, KeyboardInterrupt with what is finished kept.

    >>> import initlab
    >>> results = initlab.sweep(init=["gpt2", "depth-scaled"], n_layer=2, n_embd=16, n_head=2, block_size=8, steps=2,
    ...                         seeds=2, out="results/example", jobs=1, progress=False)
    >>> len(results.runs), results.counts["finished"], sorted(set(results.to_frame()["init"]))
    (4, 4, ['depth-scaled', 'gpt2'])
    """
    plan = planned_sweep(
        spec,
        axes=lambda: asked_axes(init, activation, seeds, fields),
        name=name,
        out=out,
        target=target,
        jobs=jobs,
        lanes=lanes,
        compile=compile,
        device=device,
        launcher=launcher,
        retry=retry,
        plugins=plugins,
    )
    return run_sweep(plan, progress, wait, max_failures)


def asked_axes(
    init: str | Iterable[str] | None,
    activation: str | Iterable[str] | None,
    seeds: int | Iterable[int] | None,
    fields: Mapping[str, Values],
) -> dict[str, list[Any]]:
    """Return the axes that a call names, by the fields' paths."""
    named: dict[str, list[Any]] = {}
    if init is not None:
        named["init"] = names_in(init)
    if activation is not None:
        named["activation"] = names_in(activation)
    if seeds is not None:
        named["seed"] = seeds_of(seeds)
    return {**named, **axes_of(fields)}


def planned_sweep(
    spec: str | Path | None = None,
    *,
    axes: Callable[[], Mapping[str, list[Any]]],
    name: str | None = None,
    out: str | Path | None = None,
    target: Mapping[str, int] | None = None,
    jobs: int | None = None,
    lanes: int | None = None,
    compile: CompileMode = "auto",
    device: str = "auto",
    launcher: str = "local",
    retry: Retry = "failed",
    plugins: Sequence[str] = (),
    measure: bool = True,
    note: Note = lambda line: None,
) -> Plan:
    """Return the plan of a sweep: its runs, which are missing, how they are computed, and what that costs.

    Nothing is written or trained. ``axes`` is asked for the fields, by path, once the plug-ins are loaded that may
    name their values. ``measure`` False leaves a machine that nobody measured unmeasured; ``note`` is told in a line
    what takes a while.
    """
    load_plugins(plugins)
    parse_launcher(launcher)
    return make_plan(
        requested_spec(None if spec is None else named_path(spec, "spec"), axes(), name),
        None if out is None else named_path(out, "-o"),
        target=target_sizes(target),
        overrides=Overrides(None if device == "auto" else device, lanes, compile),
        jobs=jobs,
        retry=retry,
        launcher=launcher,
        measure=measure,
        note=note,
    )


def skipped_probes() -> tuple[str, ...]:
    """Return why installed probes cannot be used, a line each: every run is measured with the others."""
    PROBES.items()
    return tuple(PROBES.broken.values())


def run_sweep(
    plan: Plan, progress: bool | Progress = True, wait: bool = True, max_failures: int | None = None
) -> Results:
    """Train what is missing of a plan and return the results, read once; see ``running.run_plan``."""
    shown = progress_for(plan) if progress is True else progress or None
    return run_plan(plan, shown, wait=wait, max_failures=max_failures)


def load(path: str | Path) -> Results:
    """Return the sweep stored in a folder: its cells and runs, as tidy frames too. Never trains.

    Raises InitlabError where there is no sweep.

    >>> import initlab
    >>> _ = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=2, jobs=1,
    ...                   out="results/loaded", progress=False)
    >>> results = initlab.load("results/loaded")
    >>> [run.status for run in results.runs], results.frames.layers["probe"].nunique() > 5
    (['finished', 'finished'], True)
    """
    return load_results(named_path(path, "sweep"))


@dataclass(frozen=True, repr=False)
class WrittenReport(PublicValue):
    """A report beside its sweep: ``page`` is its HTML file, ``analysis`` all it says; the document is the sweep's.

    ``problem`` says why it could not be written, where that was no matter.
    """

    page: Path
    analysis: "Analysis"
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        return self.analysis.results.document()

    def describe(self) -> str:
        return f"report: {self.page}" if self.problem is None else f"no report: {self.problem}"

    def _repr_html_(self) -> str:
        """The page itself, in a frame."""
        from html import escape

        page = escape(self.page.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0"></iframe>'


def report(sweep: Sweep, *, formats: Collection[str] = FORMATS, must_write: bool = True) -> WrittenReport:
    """Write the report of a stored sweep beside it, also while it is still running; return where it is.

    Raises InitlabError for a folder that holds no sweep, or a format that does not exist; for one that cannot be
    written to unless it need not be: ``must_write=False`` then returns what the report would have said.

    >>> import initlab
    >>> results = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=2, jobs=1,
    ...                         out="results/reported", progress=False)
    >>> initlab.report(results, formats=["md"]).page.with_name("report.md").exists()
    True
    """
    check_formats(formats)  # before the seconds that an analysis takes
    from initlab.reporting.analysis import analyse  # with pandas, and matplotlib for the next
    from initlab.reporting.render.publish import write_report

    analysis = analyse(results_of(sweep))
    try:
        return WrittenReport(write_report(analysis, formats=formats), analysis)
    except InitlabError as error:
        if must_write:
            raise
        return WrittenReport(analysis.results.path / "report" / "index.html", analysis, str(error))


def results_of(sweep: Sweep) -> Results:
    """Return a stored sweep, read where only its folder is known."""
    return sweep if isinstance(sweep, Results) else load_results(named_path(sweep, "sweep"))


@dataclass(frozen=True, repr=False)
class Standing(PublicTable):
    """Where every run of a sweep stands; ``verified`` says that all was compared with its checksums."""

    results: Results
    verified: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many runs have each status, zeros among them."""
        return {str(status): number for status, number in self.results.counts.items()}

    def document(self) -> dict[str, Any]:
        return {
            "path": str(self.results.path),
            "counts": self.counts,
            "runs": self._rows(),
            "verified": self.verified,
            "unchecked": self.results.unchecked,
            "problems": list(self.problems),
        }

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is damaged or cannot be read, a line each that names the file; where verified, of every file."""
        beside = damaged_beside_results(self.results) if self.verified else ()
        return tuple(dict.fromkeys((*self.results.problems, *beside)))

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a run: id, label, status, reason."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def describe(self) -> str:
        lines = []
        for run in self.results.runs:
            reason = f"  ({run.state.reason})" if run.state.reason else ""
            lines.append(f"{run.id}  {run.status:<11}  {run.label}{reason}")
        lines.append(", ".join(f"{number} {status}" for status, number in self.counts.items() if number))
        if unchecked := self.results.unchecked:
            lines.append(f"{unchecked} stored by an earlier version, without checksums: read unchecked")
        lines += self.problems
        if self.verified and not self.problems:
            lines.append(f"verified: every {'other ' if unchecked else ''}file is what was stored")
        return "\n".join(lines)

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"id": run.id, "label": run.label, "status": run.status, "reason": run.state.reason}
            for run in self.results.runs
        ]


def status(sweep: Sweep, *, verify: bool = False) -> Standing:
    """Return where every run of a stored sweep stands, and why one failed.

    Sizes alone say whether a finished run is as it was stored; ``verify`` compares every file with its checksum.

    >>> import initlab
    >>> _ = initlab.sweep(init="gpt2", n_layer=1, n_embd=16, n_head=1, block_size=8, steps=0, seeds=2, jobs=1,
    ...                   out="results/standing", progress=False)
    >>> initlab.status("results/standing").counts["finished"]
    2
    """
    results = sweep if isinstance(sweep, Results) else load_results(Path(sweep), thorough=verify)
    return Standing(results, verified=verify)
