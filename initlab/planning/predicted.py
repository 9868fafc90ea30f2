"""What theory is asked of a planned sweep before it is trained: its predictions, and what its sizes hide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from initlab.planning.expand import PlannedRun
from initlab.predictions.records import PredictionRequest
from initlab.predictions.scale_up import ScaleUp, at_target, hint, scale_up

MOST_HINTED = 8
"""Networks that are looked at for a hint, which is one line."""


@dataclass(frozen=True)
class PlannedPredictions:
    """``keys`` names the prediction of each run by the run's id, ``requests`` says what it is made from."""

    keys: Mapping[str, str]
    requests: Mapping[str, PredictionRequest]


def planned_predictions(runs: Iterable[PlannedRun]) -> PlannedPredictions:
    """Return what the predictions of planned runs depend on; runs that differ by seed alone share one."""
    keys, requests = dict[str, str](), dict[str, PredictionRequest]()
    cells = dict[int, str]()  # keys by the index of a cell: a hash for all seeds
    for run in runs:
        cell = run.entry.cell.index
        if cell not in cells:
            request = _request(run)
            cells[cell] = request.key
            requests.setdefault(request.key, request)
        keys[run.id] = cells[cell]
    return PlannedPredictions(keys, requests)


def scale_ups(runs: Iterable[PlannedRun], target: Mapping[str, int]) -> list[ScaleUp]:
    """Return what every network of a sweep would do at the target's sizes, those that cannot be predicted left out.

    Raises InitlabError for sizes that no model has, or that an init cannot be applied to.
    """
    rows = []
    for run in _networks(runs):
        at_target(run.spec.model, target)  # a size that no model has is a mistake, whatever theory can predict
        row = scale_up(_request(run).case, run.spec.model, target)
        if row is not None:
            rows.append(row)
    return rows


def proxy_hint(runs: Iterable[PlannedRun]) -> str | None:
    """Return one line about the first network whose growth a narrow width hides, None where there is none."""
    lines = (hint(_request(run).case, run.spec.model) for run in _networks(runs)[:MOST_HINTED])
    return next((line for line in lines if line), None)


def _networks(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return one run of every network and activation."""
    return list({(run.blueprint.digest, run.dims, run.spec.activation): run for run in runs}.values())


def _request(run: PlannedRun) -> PredictionRequest:
    return PredictionRequest(run.blueprint, run.spec.activation, run.corpus, run.spec.train.batch_size)
