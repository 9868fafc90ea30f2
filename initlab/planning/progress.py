"""How far a planned sweep has come: what whoever shows it is told, and a way of showing it in plain lines."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from initlab.planning.groups import LaneGroup
from initlab.results.run_folder import Status

if TYPE_CHECKING:
    from initlab.planning.plan import Plan

QUIET_SECONDS = 30.0
"""Plain lines say that the sweep lives at least this often."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; ``val_loss`` (nats per token) is None where it was not evaluated or is not finite."""

    id: str
    status: Status
    val_loss: float | None = None

    def describe(self) -> str:
        """Return the loss of a run that finished with one, else its status."""
        return f"{self.val_loss:.3f}" if self.status == "finished" and self.val_loss is not None else self.status


class Progress(Protocol):
    """Told how a sweep goes on, in the thread that runs it. ``group`` counts the plan's groups from 0."""

    def start(self) -> None:
        """The plan is stored and its first groups are handed out."""

    def group_step(self, group: int, step: int, steps: int) -> None: ...

    def group_done(self, group: int, outcomes: Sequence[RunOutcome]) -> None: ...

    def note(self, group: int, text: str) -> None:
        """Something happened to a group that a user should know."""

    def waiting(self, lines: Sequence[str]) -> None:
        """What is left is trained by other processes, a line for each; none once that is over."""

    def stop(self) -> None:
        """Nothing more will be trained: all is done, or an exception or Ctrl-C ends the sweep."""


class Silent:
    """Shows nothing."""

    def start(self) -> None: ...

    def group_step(self, group: int, step: int, steps: int) -> None: ...

    def group_done(self, group: int, outcomes: Sequence[RunOutcome]) -> None: ...

    def note(self, group: int, text: str) -> None: ...

    def waiting(self, lines: Sequence[str]) -> None: ...

    def stop(self) -> None: ...


class Shares:
    """How far a sweep is: each group weighs what it is estimated to cost."""

    def __init__(self, groups: Sequence[LaneGroup]) -> None:
        total = sum(group.seconds for group in groups)
        self._weights = [group.seconds / total for group in groups]
        self._fractions = [0.0] * len(groups)

    def set_step(self, group: int, step: int, steps: int) -> None:
        """Note that a group is at ``step`` of ``steps``, which are counted from 0 to ``steps`` itself."""
        self._fractions[group] = (step + 1) / (steps + 1)

    def set_done(self, group: int) -> None:
        self._fractions[group] = 1.0

    @property
    def total(self) -> float:
        """The part of the sweep that is done, 0 to 1."""
        return sum(weight * part for weight, part in zip(self._weights, self._fractions, strict=True))


class LineProgress:
    """One line a finished group, and a sign of life in between: ``LineProgress(plan, print)`` for a script."""

    def __init__(self, plan: "Plan", write: Callable[[str], None]) -> None:
        self._groups, self._write = plan.groups, write
        self._shares = Shares(plan.groups)
        self._started = self._last_line = time.monotonic()
        self._finished = 0

    def start(self) -> None:
        return

    def group_step(self, group: int, step: int, steps: int) -> None:
        self._shares.set_step(group, step, steps)
        if time.monotonic() - self._last_line > QUIET_SECONDS:
            self._line(f"{100 * self._shares.total:.0f}% · at step {step} of {steps}: {self._groups[group].label}")

    def group_done(self, group: int, outcomes: Sequence[RunOutcome]) -> None:
        self._shares.set_done(group)
        self._finished += 1
        results = ", ".join(outcome.describe() for outcome in outcomes)
        self._line(f"group {self._finished} of {len(self._groups)}: {self._groups[group].label}: {results}")

    def note(self, group: int, text: str) -> None:
        self._line(f"{self._groups[group].label}: {text}")

    def waiting(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._line(line)

    def stop(self) -> None:
        return

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._write(f"{self._last_line - self._started:6.1f}s  {text}")
