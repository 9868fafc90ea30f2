"""``initlab sweep``: run what is missing of a sweep, then show what came out."""

import os
import shlex
import signal
import sys
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import initlab
from initlab.cli.console import guarded, is_interactive, print_json, stderr, stdout
from initlab.cli.fields import axes_from_flags, parse_sizes, with_fields
from initlab.cli.plugins import Plugins, load_plugins, name_broken
from initlab.cli.progress import LiveProgress, PlainProgress
from initlab.cli.verdicts import counted, print_statements
from initlab.errors import InitlabError
from initlab.files.json import SCHEMA_VERSION
from initlab.launchers.base import parse_launcher
from initlab.machine.environment import available_cores
from initlab.machine.execution import Overrides
from initlab.machine.profile import cached_profile
from initlab.planning.execution_plan import ExecutionPlan
from initlab.planning.groups import LaneGroup
from initlab.planning.predicted import outlooks, proxy_hint
from initlab.planning.source import SweepSource, check_name, override, read_spec
from initlab.predictions.scale_up import words
from initlab.probes.reductions import PROBES
from initlab.results.folder import SweepFolder
from initlab.results.reading import Results, load_results
from initlab.running import (
    Sweep,
    estimate_seconds,
    execution_plan_for,
    missing_runs,
    plan_sweep,
    run_sweep,
    worker_count,
)

if TYPE_CHECKING:
    from initlab.reporting.content import Content
    from initlab.verdicts.claims import JudgedClaims

REPORT = "initlab.reporting.write"
"""What the end of a sweep needs; matplotlib and pandas take half a second to import."""

EXIT_INCOMPLETE = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM arrived. No ``Exception``: a run that it stops has not failed."""


@guarded
@with_fields(("model", "data", "train"))
def sweep(
    spec: Annotated[Path | None, typer.Argument(help="a sweep.toml or its folder; none: the quickstart")] = None,
    init: Annotated[str | None, typer.Option(help="inits, such as gpt2,depth-scaled:std=0.01")] = None,
    activation: Annotated[str | None, typer.Option(help="activations, such as gelu,relu")] = None,
    seeds: Annotated[str | None, typer.Option(help="how many (3), a range (0-4) or a list (0,7)")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="any field as an axis, such as train.lr=1e-3,3e-3")
    ] = None,
    plugin: Plugins = None,
    target: Annotated[
        str | None, typer.Option(help="sizes that this sweep is a proxy for, such as n_embd=768,n_layer=48")
    ] = None,
    name: Annotated[str | None, typer.Option(help="the sweep's name")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="the sweep's own folder")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-n", help="worker processes; default: one a core")] = None,
    lanes: Annotated[int | None, typer.Option(min=1, help="runs that train together; default: measured")] = None,
    compiled: Annotated[
        Literal["auto", "on", "off"], typer.Option("--compile", help="torch.compile; auto: where it pays")
    ] = "auto",
    launcher: Annotated[str, typer.Option(metavar="NAME", help="who trains; see `list launchers`")] = "local",
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu or cuda")] = "auto",
    retry: Annotated[
        Literal["failed", "diverged", "none"], typer.Option(help="which runs that ended badly to train again")
    ] = "failed",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the runs and what they would cost")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Train what is missing of a sweep; the same command again resumes it.

    A sweep is a spec file, flags, or both (flags win). Every flag of a field takes several values, separated by
    commas, and becomes an axis.
    """
    load_plugins(plugin)
    name_broken(PROBES)
    parse_launcher(launcher)
    axes = axes_from_flags(fields, init, activation, seeds, settings or [])
    planned = plan_sweep(_source(spec, axes, name), out, Path(os.environ.get("INITLAB_OUT", "results")))
    if target is not None:
        planned = replace(planned, target=parse_sizes("--target", target))
    workers = _jobs(jobs)
    if dry_run:
        _dry_run(planned, workers, retry, as_json)
        return
    execution_plan = _execution_plan(planned, Overrides(None if device == "auto" else device, lanes, compiled), retry)
    _train(planned, workers, retry, execution_plan, launcher)
    _finish(planned, as_json)


def _source(spec: Path | None, axes: dict[str, list[Any]], name: str | None) -> SweepSource:
    if spec is not None:
        source = read_spec(spec)
    elif axes:
        source = SweepSource()
        axes.setdefault("seed", [0, 1, 2])
    else:
        source = read_spec(quickstart())
    check_name(name, "--name")
    source = override(source, axes)
    return source if name is None else replace(source, name=name, overridden=True)


def quickstart() -> Path:
    """Return the built-in sweep: packaged with initlab, or beside it in a checkout."""
    package = Path(initlab.__file__).parent
    packaged = package / "quickstart.toml"
    return packaged if packaged.exists() else package.parent / "experiments" / "quickstart" / "sweep.toml"


def _jobs(jobs: int | None) -> int:
    text = os.environ.get("INITLAB_JOBS") if jobs is None else str(jobs)
    if text is None:
        return available_cores()
    if not text.isdigit() or int(text) < 1:
        raise InitlabError(f"jobs: wants a whole number from 1, got {text!r}")
    return int(text)


def _execution_plan(sweep: Sweep, overrides: Overrides, retry: Any) -> ExecutionPlan | None:
    """Choose how the missing runs are computed, measuring this machine where nobody has; None: none is missing."""
    if not missing_runs(sweep, retry):
        return None
    if cached_profile() is None:
        stderr().print("measuring what this machine is fast at, once: a few seconds")
    return execution_plan_for(sweep, overrides)


def _announce(sweep: Sweep, jobs: int, retry: Any, execution_plan: ExecutionPlan | None) -> None:
    console, missing = stderr(), missing_runs(sweep, retry)
    done = len(sweep.runs) - len(missing)
    question = f": {sweep.source.question}" if sweep.source.question else ""
    console.print(f"[bold]{escape(sweep.name)}[/]{escape(question)}", soft_wrap=True)
    for line in sweep.corpora():
        console.print(f"  {escape(line)}", soft_wrap=True)
    jobs = worker_count(execution_plan, missing, jobs) if execution_plan else jobs
    seconds = estimate_seconds(missing, jobs, execution_plan)
    state = f", {done} already stored" if done else ""
    cost = f", about {_duration(seconds)} on {jobs} worker{'s' * (jobs > 1)}" if missing else ""
    console.print(f"  {len(sweep.runs)} runs{state}{cost}; in {sweep.folder.path}", soft_wrap=True)
    for execution in dict.fromkeys(execution_plan.execution_of(run) for run in missing) if execution_plan else ():
        measured = (
            execution_plan.machine.describe(execution.matmul_precision, execution.device) if execution_plan else ""
        )
        console.print(f"  {execution.describe()}: {measured}", soft_wrap=True, markup=False)
    _warn_of_proxies(sweep)


def _warn_of_proxies(sweep: Sweep) -> None:
    """Say what the target would do, or in one line that a narrow network hides something."""
    lines = [words(look) for look in outlooks(sweep.runs, sweep.target)] if sweep.target else []
    if not sweep.target and (found := proxy_hint(sweep.runs)):
        lines = [found]
    for line in lines:
        stderr().print(f"  {escape(line)}", soft_wrap=True)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _train(sweep: Sweep, jobs: int, retry: Any, execution_plan: ExecutionPlan | None, launcher: str) -> None:
    """Train with progress on stderr; a signal ends the sweep with what is stored intact."""
    console = stderr()
    shown: list[LiveProgress | PlainProgress] = []

    def progress(groups: list[LaneGroup]) -> LiveProgress | PlainProgress:
        _announce(sweep, jobs, retry, execution_plan)
        threading.Thread(target=import_module, args=(REPORT,), daemon=True).start()  # while the workers import torch
        shown.append(
            LiveProgress(console, groups) if is_interactive() else PlainProgress(console, groups, sweep.folder)
        )
        return shown[0]

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    if execution_plan is None:
        _announce(sweep, jobs, retry, execution_plan)
    try:
        run_sweep(sweep, jobs=jobs, retry=retry, progress=progress, execution_plan=execution_plan, launcher=launcher)
    except (KeyboardInterrupt, Terminated) as stop:
        _stop_progress(shown)
        again = shlex.join(["initlab", *sys.argv[1:]])
        console.print(
            f"\nstopped; {_counted(sweep.folder)}. To go on, run the same command again:\n  {again}",
            soft_wrap=True,
            markup=False,
        )
        raise typer.Exit(EXIT_TERMINATED if isinstance(stop, Terminated) else EXIT_INTERRUPTED) from None
    finally:
        _stop_progress(shown)


def _stop_progress(shown: list[LiveProgress | PlainProgress]) -> None:
    for progress in shown:
        progress.stop()


def _counted(folder: SweepFolder) -> str:
    counts = load_results(folder.path).counts
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)


def _finish(sweep: Sweep, as_json: bool) -> None:
    """Show table and verdicts, write the report, and say by exit code whether every run has a result."""
    from initlab.reporting.content import gather
    from initlab.reporting.expected import flags
    from initlab.reporting.write import write_report

    results = load_results(sweep.folder.path)
    content = gather(results)
    html = write_report(content)
    for flag in flags(content.expected):
        stderr().print(flag, soft_wrap=True, markup=False)
    if as_json:
        print_json(sweep_document(results))
    else:
        print_table(stdout(), content)
        _print_claims(content.answers.judged, results.path)
        stdout().print(f"report: {html}", soft_wrap=True, markup=False)
    if not all(run.done for run in results.runs):
        raise typer.Exit(EXIT_INCOMPLETE)


def _print_claims(judged: "JudgedClaims", path: Path) -> None:
    """Say what the claims that stand beside the spec have come to."""
    if judged.problem:
        stdout().print(f"claims not judged: {judged.problem}", soft_wrap=True, markup=False)
    if judged.verdicts:
        print_statements(stdout(), judged.verdicts)
        summary = f"claims: {counted(judged.verdicts)}; with numbers and reasons: initlab claims {path}"
        stdout().print(summary, soft_wrap=True, markup=False)


def print_table(console: Console, content: "Content") -> None:
    """Print one row a cell, and every run without a plain result by name."""
    shown = content.table
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, header in enumerate(shown.headers):
        numeric = all(isinstance(row[number].value, int | float | None) for row in shown.rows)
        named = header in ("init", "activation")
        table.add_column(header, justify="right" if numeric else "left", overflow="fold", no_wrap=named)
    for row in shown.rows:
        table.add_row(*(escape(entry.text) for entry in row))
    console.print(table)
    for run in content.not_ok:
        console.print(f"{run.status}: {run.label} ({run.id}): {run.reason}", soft_wrap=True, markup=False)


def sweep_document(results: Results) -> dict[str, Any]:
    """Return the public JSON document of a sweep: one entry a planned run."""
    runs = []
    for run in results.runs:
        cell = results.cells[run.cell_index]
        runs.append(
            {
                "id": run.id,
                "init": cell.init,
                "activation": cell.activation,
                "seed": run.seed,
                "status": run.status,
                "reason": run.state.reason,
                **{key: run.summary.get(key) for key in ("steps", "train_loss", "val_loss", "residual_ms")},
                "axes": cell.axes,
                "wall_seconds": run.state.wall_seconds,
            }
        )
    return {"schema_version": SCHEMA_VERSION, "sweep": results.name, "path": str(results.path), "runs": runs}


def _dry_run(sweep: Sweep, jobs: int, retry: Any, as_json: bool) -> None:
    missing = missing_runs(sweep, retry)
    seconds = estimate_seconds(missing, jobs)
    if as_json:
        runs = [
            {
                "id": run.id,
                "init": run.entry.cell.init,
                "activation": run.entry.cell.activation,
                "seed": run.entry.seed,
                "status": sweep.folder.run(run.id).state().status,
                "axes": run.entry.cell.axes,
            }
            for run in sweep.runs
        ]
        document = {"sweep": sweep.name, "path": str(sweep.folder.path), "estimated_seconds": seconds, "runs": runs}
        print_json({"schema_version": SCHEMA_VERSION, **document})
        return
    console = stdout()
    for run in sweep.runs:
        status = sweep.folder.run(run.id).state().status
        console.print(f"{run.id}  {status:<11}  {run.entry.label}", soft_wrap=True, markup=False)
    console.print(
        f"{len(sweep.runs)} runs, {len(missing)} to train, about {_duration(seconds)} on {jobs} workers; "
        f"nothing was written",
        soft_wrap=True,
    )
