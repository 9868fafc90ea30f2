"""Which runs train together."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from initlab.planning.cost import run_seconds
from initlab.planning.expand import PlannedRun


@dataclass(frozen=True)
class LaneGroup:
    """Runs of one shape, trained as lanes of one batched model."""

    runs: tuple[PlannedRun, ...]

    @property
    def seconds(self) -> float:
        """Estimated seconds of its runs one after the other on a usual core: a weight, not a promise."""
        return sum(run_seconds(run) for run in self.runs)

    @property
    def label(self) -> str:
        """Names what is trained, for people: its cells, without the seeds."""
        labels = list(dict.fromkeys(run.entry.cell.label for run in self.runs))
        rest = len(labels) - 1
        return labels[0] + (f" and {rest} more cell{'s' * (rest > 1)}" if rest else "")


def group_runs(
    runs: list[PlannedRun],
    *,
    jobs: int,
    lanes: Callable[[PlannedRun], int],
    filled: Callable[[PlannedRun], bool] = lambda run: False,
) -> list[LaneGroup]:
    """Return lane groups, the most costly first, split finely enough to keep ``jobs`` workers busy to the end.

    ``lanes`` says how many runs of a run's shape may train together, ``filled`` whether fewer would cost as much. How
    runs are grouped changes no number: a lane's result does not depend on its neighbours.
    """
    by_shape: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in {run.id: run for run in runs}.values():
        by_shape[run.shape].append(run)
    costs = {run.id: run_seconds(run) for run in runs}
    share = sum(costs[run.id] for members in by_shape.values() for run in members) / (2 * jobs)
    groups = []
    for members in by_shape.values():
        members.sort(key=lambda run: -run.spec.train.steps)  # lanes that end together waste no step
        even = max(1, int(share / costs[members[0].id] + 1e-9))  # 24 / 4 runs are 6, whatever sums round to
        size = lanes(members[0]) if filled(members[0]) else min(lanes(members[0]), even)
        groups += [LaneGroup(tuple(members[i : i + size])) for i in range(0, len(members), size)]
    return sorted(groups, key=lambda group: -group.seconds)
