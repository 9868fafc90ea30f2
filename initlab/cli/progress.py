"""How a running sweep looks: a live bar on a terminal, plain lines everywhere else."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from initlab.planning.groups import LaneGroup
from initlab.results.folder import SweepFolder

QUIET_SECONDS = 30.0
"""Without a terminal, say that the sweep lives at least this often."""


def group_label(group: LaneGroup) -> str:
    """Name what a group trains: its cells, without the seeds."""
    labels = list(dict.fromkeys(run.entry.cell.label for run in group.runs))
    rest = len(labels) - 1
    more = f" and {rest} more cell{'s' * (rest > 1)}" if rest else ""
    return f"{labels[0]}{more}"


class _Shares:
    """How far a sweep is: each group weighs what it is estimated to cost."""

    def __init__(self, groups: list[LaneGroup]) -> None:
        total = sum(group.seconds for group in groups)
        self.weights = [group.seconds / total for group in groups]
        self.parts = [0.0] * len(groups)

    def done(self) -> float:
        return sum(weight * part for weight, part in zip(self.weights, self.parts, strict=True))


class LiveProgress:
    """A bar over the whole sweep with the remaining time."""

    def __init__(self, console: Console, groups: list[LaneGroup]) -> None:
        self._groups, self._shares = groups, _Shares(groups)
        self._runs = sum(len(group.runs) for group in groups)
        self._finished = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(self._describe(groups[0]), total=1.0)
        self._bar.start()

    def group_step(self, group: int, step: int, steps: int) -> None:
        self._shares.parts[group] = (step + 1) / (steps + 1)
        self._bar.update(self._task, completed=self._shares.done(), description=self._describe(self._groups[group]))

    def group_done(self, group: int) -> None:
        self._finished += len(self._groups[group].runs)
        self.group_step(group, 0, 0)

    def note(self, group: int, text: str) -> None:
        self._bar.console.print(f"{group_label(self._groups[group])}: {text}", soft_wrap=True, markup=False)

    def stop(self) -> None:
        self._bar.stop()

    def _describe(self, group: LaneGroup) -> str:
        return f"{self._finished} of {self._runs} runs · {group_label(group)}"


class PlainProgress:
    """One line a finished group, and a sign of life in between."""

    def __init__(self, console: Console, groups: list[LaneGroup], folder: SweepFolder) -> None:
        self._console, self._groups, self._folder = console, groups, folder
        self._shares = _Shares(groups)
        self._started = self._said = time.monotonic()
        self._finished = 0

    def group_step(self, group: int, step: int, steps: int) -> None:
        self._shares.parts[group] = (step + 1) / (steps + 1)
        if time.monotonic() - self._said > QUIET_SECONDS:
            self._say(
                f"{100 * self._shares.done():.0f}% · at step {step} of {steps}: {group_label(self._groups[group])}"
            )

    def group_done(self, group: int) -> None:
        self._shares.parts[group] = 1.0
        self._finished += 1
        results = ", ".join(self._result(run.id) for run in self._groups[group].runs)
        self._say(f"group {self._finished} of {len(self._groups)}: {group_label(self._groups[group])}: {results}")

    def note(self, group: int, text: str) -> None:
        self._say(f"{group_label(self._groups[group])}: {text}")

    def stop(self) -> None:
        return

    def _result(self, run_id: str) -> str:
        state, summary = self._folder.run(run_id).result()
        loss = (summary or {}).get("val_loss")
        return f"{loss:.3f}" if state.status == "finished" and loss is not None else state.status

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        self._console.print(f"{self._said - self._started:6.1f}s  {text}", soft_wrap=True, markup=False)
