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
from initlab.predictions.inputs import Case, Method, document, tokens_of
from initlab.results.reading import PREDICTIONS

LAYERS_EXACT = 600
"""Layers that one sweep predicts position by position, a few milliseconds each; what is beyond them gets the closed
form, so that planning a large sweep stays a matter of seconds."""


@dataclass(frozen=True)
class Wanted:
    """What a cell's runs have in common that a prediction depends on."""

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
    def case(self) -> Case:
        dims = self.blueprint.dims
        tokens = tokens_of(self.corpus, dims.vocab_size, dims.block_size)
        return Case(self.blueprint, self.activation, tokens, self.corpus.name, self.batch)


def store_predictions(folder: Path, wanted: Mapping[str, Wanted]) -> None:
    """Write the predictions, by key, that ``folder`` (a sweep's) does not hold yet.

    Raises OSError when the folder cannot be written.
    """
    target = folder / PREDICTIONS
    missing = {key: one for key, one in wanted.items() if not (target / f"{key}.json").exists()}
    if missing:
        target.mkdir(parents=True, exist_ok=True)
    left = LAYERS_EXACT
    for key, one in missing.items():
        left -= one.blueprint.dims.n_layer
        write_json(target / f"{key}.json", _document(one, "per position" if left >= 0 else "closed form"))


def _document(one: Wanted, method: Method) -> dict[str, Any]:
    try:
        return document(one.case, one.case.predict(method), method)
    except InitlabError as error:
        reason = str(error)
    except Exception as error:  # a sweep needs its runs, not theory
        reason = f"theory failed with {type(error).__name__}: {error}"
    return {"init": one.blueprint.init, "reason": reason}
