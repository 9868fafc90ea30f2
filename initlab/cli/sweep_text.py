"""What ``initlab sweep`` prints for people: the plan before it runs, and what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from initlab.cli.verdicts import counted, print_statements

if TYPE_CHECKING:
    from initlab.api.sweeping import Analysis, JudgedClaims, Plan, Status


def announce(console: Console, plan: "Plan") -> None:
    """Print the question, what is to be trained, how, and at what cost, and what the sweep's sizes hide."""
    question = f": {plan.spec.question}" if plan.spec.question else ""
    console.print(f"[bold]{escape(plan.name)}[/]{escape(question)}", soft_wrap=True)
    for line in plan.corpora:
        console.print(f"  {escape(line)}", soft_wrap=True)
    held = sum(plan.states[run.id].status == "running" for run in plan.runs)
    stored = len(plan.runs) - len(plan.missing) - held
    state = f", {stored} already stored" if stored else ""
    state += f", {held} in training by other processes" if held else ""
    workers = f"{plan.workers} worker{'s' * (plan.workers > 1)}"
    cost = f", about {duration(plan.seconds)} on {workers}" if plan.missing else ""
    console.print(f"  {len(plan.runs)} runs{state}{cost}; in {escape(str(plan.folder.path))}", soft_wrap=True)
    for line in [
        *_unsound(plan),
        *_executions(plan),
        *(row.describe() for row in plan.scale_ups),
        *filter(None, [plan.hint]),
    ]:
        console.print(f"  {line}", soft_wrap=True, markup=False)


def _unsound(plan: "Plan") -> list[str]:
    """Return a line for each file that is not what was stored, with what becomes of it."""
    damaged = [str(state.reason) for state in plan.states.values() if state.status == "damaged"]
    notes = [note for state in plan.states.values() for note in state.notes]
    refused = [str(state.reason) for state in plan.states.values() if state.status == "unreadable"]
    aside = [f"{line}; it goes into quarantine" for line in (*plan.earlier.damaged.values(), *damaged, *notes)]
    return [*aside, *(f"{line}; it is left alone" for line in refused)]


def _executions(plan: "Plan") -> list[str]:
    """Return a line for each way in which missing runs are computed."""
    if plan.execution is None:
        return []
    machine = plan.execution.machine
    ways = dict.fromkeys(plan.execution.execution_of(run) for run in plan.missing)
    return [f"{way.describe()}: {machine.describe(way.matmul_precision, way.device)}" for way in ways]


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``40 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_dry_run(console: Console, plan: "Plan") -> None:
    """Print every run with where it stands, and what training the missing ones would cost."""
    for run in plan.runs:
        console.print(f"{run.id}  {plan.states[run.id].status:<11}  {run.entry.label}", soft_wrap=True, markup=False)
    console.print(
        f"{len(plan.runs)} runs, {len(plan.missing)} to train, about {duration(plan.seconds)} on {plan.workers} "
        "workers; nothing was written",
        soft_wrap=True,
    )


def print_stopped(console: Console, counts: "Mapping[Status, int]", command: str) -> None:
    """Print where a sweep that was stopped stands, and the command that goes on with it."""
    standing = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    text = f"\nstopped; {standing}. To go on, run the same command again:\n  {command}"
    console.print(text, soft_wrap=True, markup=False)


def print_table(console: Console, analysis: "Analysis") -> None:
    """Print one row a cell, and every run without a plain result by name."""
    rows = analysis.table
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, header in enumerate(rows.headers):
        numeric = all(isinstance(row[number].value, int | float | None) for row in rows.rows)
        named = header in ("init", "activation")
        table.add_column(header, justify="right" if numeric else "left", overflow="fold", no_wrap=named)
    for row in rows.rows:
        table.add_row(*(escape(entry.text) for entry in row))
    console.print(table)
    for run in analysis.not_ok:
        console.print(f"{run.status}: {run.label} ({run.id}): {run.reason}", soft_wrap=True, markup=False)


def print_claims(console: Console, judged: "JudgedClaims", path: Path) -> None:
    """Print what the claims that stand beside the spec of the sweep in ``path`` have come to."""
    if judged.problem:
        console.print(f"claims not judged: {judged.problem}", soft_wrap=True, markup=False)
    if judged.verdicts:
        print_statements(console, judged.verdicts)
        line = f"claims: {counted(judged.verdicts)}; with numbers and reasons: initlab claims {path}"
        console.print(line, soft_wrap=True, markup=False)
