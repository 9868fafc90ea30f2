"""Predictions of a sweep, stored before its first step: ``predictions/<key>.json``, one file a distinct network.

They are no part of any run's identity, and nothing that goes wrong with one stops a sweep: the file then holds the
reason instead of curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.files.json import content_hash, write_json
from initlab.network.blueprint import Blueprint
from initlab.predictions.inputs import Method, PredictionInput, document, token_statistics
from initlab.results.reading import PREDICTIONS

LAYERS_EXACT = 600
"""Layers that one sweep predicts position by position, a few milliseconds each; what is beyond them gets the closed
form, so that planning a large sweep stays a matter of seconds."""


@dataclass(frozen=True)
class PredictionRequest:
    """What a cell's runs have in common that a prediction depends on. ``batch`` counts sequences."""

    blueprint: Blueprint
    activation: str
    corpus: Corpus
    batch: int

    @property
    def key(self) -> str:
        """Hash that names the prediction's file; the corpus counts by its content."""
        content = [self.blueprint.digest, str(self.blueprint.dims), self.activation, self.corpus.sha256, self.batch]
        return content_hash(content)

    @property
    def case(self) -> PredictionInput:
        dims = self.blueprint.dims
        tokens = token_statistics(self.corpus, dims.vocab_size, dims.block_size)
        return PredictionInput(self.blueprint, self.activation, tokens, self.corpus.name, self.batch)


def store_predictions(folder: Path, requests: Mapping[str, PredictionRequest]) -> None:
    """Write the predictions, by key, that ``folder`` (a sweep's) does not hold yet.

    Raises OSError when the folder cannot be written.
    """
    files = {key: folder / PREDICTIONS / f"{key}.json" for key in requests}
    missing = {key: request for key, request in requests.items() if not files[key].exists()}
    if missing:
        (folder / PREDICTIONS).mkdir(parents=True, exist_ok=True)
    layers_left = LAYERS_EXACT
    for key, request in missing.items():
        layers_left -= request.blueprint.dims.n_layer
        write_json(files[key], _document(request, "per position" if layers_left >= 0 else "closed form"))


def _document(request: PredictionRequest, method: Method) -> dict[str, Any]:
    try:
        return document(request.case, request.case.predict(method), method)
    except InitlabError as error:
        reason = str(error)
    except Exception as error:  # a sweep needs its runs, not theory
        reason = f"theory failed with {type(error).__name__}: {error}"
    return {"init": request.blueprint.init, "reason": reason}
