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
from initlab.files.below import make_folder
from initlab.files.json import content_hash
from initlab.network.blueprint import Blueprint
from initlab.predictions.inputs import Method, PredictionInput, document, token_statistics
from initlab.results.quarantine import set_aside
from initlab.results.reading import PREDICTIONS, read_prediction
from initlab.store.stored import Damaged, write_document

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

    One that is damaged is put into quarantine and made again. Raises OSError when the folder cannot be written.
    """
    missing = [key for key in requests if not _is_stored(folder, key)]
    if missing:
        make_folder(folder, PREDICTIONS)
    layers_left = LAYERS_EXACT
    for key in missing:
        layers_left -= requests[key].blueprint.dims.n_layer
        document = _document(requests[key], "per position" if layers_left >= 0 else "closed form")
        write_document(folder / PREDICTIONS / f"{key}.json", {"key": key, **document})


def _is_stored(folder: Path, key: str) -> bool:
    path = folder / PREDICTIONS / f"{key}.json"
    try:
        return read_prediction(folder, key) is not None
    except Damaged as error:
        set_aside(folder, path if path.parent.is_dir() and not path.parent.is_symlink() else path.parent, str(error))
        return False
    except InitlabError:  # cannot be read, or of a newer initlab: it is there
        return True


def _document(request: PredictionRequest, method: Method) -> dict[str, Any]:
    try:
        return document(request.case, request.case.predict(method), method)
    except InitlabError as error:
        reason = str(error)
    except Exception as error:  # a sweep needs its runs, not theory
        reason = f"theory failed with {type(error).__name__}: {error}"
    return {"init": request.blueprint.init, "reason": reason}
