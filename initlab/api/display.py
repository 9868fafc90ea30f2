"""How a running sweep looks: a live bar on a terminal and in a notebook, plain lines everywhere else."""

import threading
from collections.abc import Sequence
from importlib import import_module

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from initlab.api.terminal import SafeConsole, is_interactive
from initlab.planning.groups import LaneGroup
from initlab.planning.plan import Plan
from initlab.planning.progress import LineProgress, Progress, RunOutcome, Shares, Silent

REPORT = "initlab.reporting.render.publish"
"""What the end of a sweep needs; matplotlib and pandas take half a second to import."""


def progress_for(plan: Plan, console: Console | None = None) -> Progress:
    """Return what shows a plan's progress on ``console``, stderr by default: a bar where a person watches."""
    console = console or SafeConsole(stderr=True)
    if not plan.groups and not plan.held:
        return Silent()
    return LiveProgress(console, plan) if is_interactive() or console.is_jupyter else PlainProgress(console, plan)


class LiveProgress:
    """A bar over the whole sweep with the remaining time."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._groups, self._shares = plan.groups, Shares(plan.groups)
        self._runs = sum(len(group.runs) for group in plan.groups)
        self._finished = 0
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        first = self._describe(plan.groups[0]) if plan.groups else "waiting"
        self._task = self._bar.add_task(first, total=1.0)

    def start(self) -> None:
        _import_report()
        self._bar.start()

    def group_step(self, group: int, step: int, steps: int) -> None:
        self._shares.set_step(group, step, steps)
        self._update(group)

    def group_done(self, group: int, outcomes: Sequence[RunOutcome]) -> None:
        self._shares.set_done(group)
        self._finished += len(outcomes)
        self._update(group)

    def note(self, group: int, text: str) -> None:
        self._bar.console.print(f"{self._groups[group].label}: {text}", soft_wrap=True, markup=False)

    def waiting(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._bar.console.print(line, soft_wrap=True, markup=False)

    def stop(self) -> None:
        self._bar.stop()

    def _update(self, group: int) -> None:
        self._bar.update(self._task, completed=self._shares.total, description=self._describe(self._groups[group]))

    def _describe(self, group: LaneGroup) -> str:
        return f"{self._finished} of {self._runs} runs · {group.label}"


class PlainProgress(LineProgress):
    """Plain lines on a console."""

    def __init__(self, console: Console, plan: Plan) -> None:
        super().__init__(plan, lambda line: console.print(line, soft_wrap=True, markup=False))

    def start(self) -> None:
        _import_report()


def _import_report() -> None:
    """Import what the report needs, in a thread of its own while the workers import torch."""
    threading.Thread(target=import_module, args=(REPORT,), daemon=True).start()
