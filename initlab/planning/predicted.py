"""What theory says of a planned sweep before it is trained: its predictions, and what its sizes hide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from initlab.planning.expand import PlannedRun
from initlab.predictions.records import Wanted
from initlab.predictions.scale_up import Outlook, at_target, hint, outlook

MOST_HINTED = 8
"""Networks that are looked at for a hint, which is one line."""


@dataclass(frozen=True)
class Foresight:
    """``keys`` names the prediction of each run by the run's id, ``wanted`` says what has to be predicted for it."""

    keys: Mapping[str, str]
    wanted: Mapping[str, Wanted]


def foresee(runs: Iterable[PlannedRun]) -> Foresight:
    """Return what the predictions of planned runs depend on; runs that differ by seed alone share one."""
    keys, wanted = dict[str, str](), dict[str, Wanted]()
    for run in runs:
        one = _wanted(run)
        keys[run.id] = one.key
        wanted.setdefault(one.key, one)
    return Foresight(keys, wanted)


def outlooks(runs: Iterable[PlannedRun], target: dict[str, int]) -> list[Outlook]:
    """Return what every network of a sweep would do at the target's sizes, those that cannot be predicted left out.

    Raises InitlabError for sizes that no model has, or that an init cannot be applied to.
    """
    found = []
    for run in _networks(runs):
        at_target(run.spec.model, target)
        look = outlook(_wanted(run).case, run.spec.model, target)
        if look is not None:
            found.append(look)
    return found


def proxy_hint(runs: Iterable[PlannedRun]) -> str | None:
    """Return one line about the first network whose growth a narrow width hides, None where there is none."""
    for run in _networks(runs)[:MOST_HINTED]:
        found = hint(_wanted(run).case, run.spec.model)
        if found:
            return found
    return None


def _networks(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return one run of every network and activation."""
    return list({(run.blueprint.digest, run.dims, run.spec.activation): run for run in runs}.values())


def _wanted(run: PlannedRun) -> Wanted:
    return Wanted(run.blueprint, run.spec.activation, run.corpus, run.spec.train.batch_size)
