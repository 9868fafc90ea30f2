"""``initlab sweep``: run what is missing of a sweep, then show what came out."""

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import typer

from initlab.api.display import progress_for
from initlab.api.process import EXIT_INTERRUPTED
from initlab.api.sweeping import (
    Plan,
    Results,
    current_counts,
    planned_sweep,
    report,
    run_sweep,
    skipped_probes,
)
from initlab.cli.console import guarded, print_json, stderr, stdout
from initlab.cli.fields import axes_from_flags, parse_sizes, with_fields
from initlab.cli.plugins import Plugins, say_skipped
from initlab.cli.sweep_text import announce, print_claims, print_dry_run, print_stopped, print_table
from initlab.errors import Stopped

EXIT_INCOMPLETE = 3
EXIT_TERMINATED = 143


Settings = Annotated[list[str] | None, typer.Option("--set", help="any field as an axis, such as train.lr=1e-3,3e-3")]
Target = Annotated[
    str | None, typer.Option(help="sizes that this sweep is a proxy for, such as n_embd=768,n_layer=48")
]
Compiled = Annotated[
    Literal["auto", "on", "off"], typer.Option("--compile", help="torch.compile; auto: where it pays")
]
Retried = Annotated[
    Literal["failed", "diverged", "none"], typer.Option(help="which runs that ended badly to train again")
]

Waited = Annotated[bool, typer.Option("--wait/--no-wait", help="wait for runs of other processes; no-wait: exit 3")]
MaxFailures = Annotated[int | None, typer.Option(min=1, help="stop once so many runs have failed")]


class Terminated(Stopped):
    """SIGTERM arrived. No ``Exception``: a run that it stops has not failed."""


@guarded
@with_fields(("model", "data", "train"))
def sweep(
    spec: Annotated[Path | None, typer.Argument(help="a sweep.toml or its folder; none: the quickstart")] = None,
    init: Annotated[str | None, typer.Option(help="inits, such as gpt2,depth-scaled:std=0.01")] = None,
    activation: Annotated[str | None, typer.Option(help="activations, such as gelu,relu")] = None,
    seeds: Annotated[str | None, typer.Option(help="how many (3), a range (0-4) or a list (0,7)")] = None,
    settings: Settings = None,
    plugin: Plugins = None,
    target: Target = None,
    name: Annotated[str | None, typer.Option(help="the sweep's name")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="the sweep's own folder")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-n", help="worker processes; default: one a core")] = None,
    lanes: Annotated[int | None, typer.Option(min=1, help="runs that train together; default: measured")] = None,
    compiled: Compiled = "auto",
    launcher: Annotated[str, typer.Option(metavar="NAME", help="who trains; see `list launchers`")] = "local",
    device: Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu or cuda")] = "auto",
    retry: Retried = "failed",
    wait: Waited = True,
    max_failures: MaxFailures = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the runs and what they would cost")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
    *,
    fields: dict[str, Any],
) -> None:
    """Train what is missing of a sweep; the same command again resumes it.

    A sweep is a spec file, flags, or both (flags win). A field's flag with several values (1,2) is an axis.
    """
    plan = planned_sweep(
        spec,
        axes=lambda: axes_from_flags(fields, init, activation, seeds, settings or []),
        name=name,
        out=out,
        target=None if target is None else parse_sizes("--target", target),
        lanes=lanes,
        compile=compiled,
        device=device,
        jobs=jobs,
        retry=retry,
        launcher=launcher,
        plugins=plugin or [],
        measure=not dry_run,
        note=lambda line: stderr().print(line, soft_wrap=True, markup=False),
    )
    say_skipped(skipped_probes())
    if not dry_run:
        _finish(_run(plan, wait, max_failures), as_json)
    elif as_json:
        print_json(plan.to_json())
    else:
        print_dry_run(stdout(), plan)


def _run(plan: Plan, wait: bool, max_failures: int | None) -> Results:
    """Train with progress on stderr; a signal ends the sweep with what is stored intact."""
    announce(stderr(), plan)
    try:
        with _sigterm_raises():
            return run_sweep(plan, progress_for(plan, stderr()), wait=wait, max_failures=max_failures)
    except (KeyboardInterrupt, Terminated) as stop:
        print_stopped(stderr(), current_counts(plan), shlex.join(["initlab", *sys.argv[1:]]))
        raise typer.Exit(EXIT_TERMINATED if isinstance(stop, Terminated) else EXIT_INTERRUPTED) from None


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Have SIGTERM end a sweep as Ctrl-C does, with Terminated. Python lets the main thread alone ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _finish(results: Results, as_json: bool) -> None:
    """Show table and verdicts, write the report, and say by exit code whether every run has a result."""
    written = report(results, must_write=False)
    for line in (*results.problems, *written.analysis.flags):
        stderr().print(line, soft_wrap=True, markup=False)
    if as_json:
        print_json(results.to_json())
    else:
        print_table(stdout(), written.analysis)
        print_claims(stdout(), written.analysis.tables.judged, results.path)
        stdout().print(written.describe(), soft_wrap=True, markup=False)
    if not all(run.done for run in results.runs):
        raise typer.Exit(EXIT_INCOMPLETE)
