"""A sweep's predictions on disk: one file a network, written once, whatever theory thinks of it."""

from pathlib import Path

import pytest

from initlab.data.corpora import load_corpus
from initlab.errors import InitlabError
from initlab.files.json import finite
from initlab.inits.catalogue import blueprint_for
from initlab.predictions import records as stored
from initlab.predictions.inputs import PredictionInput, document
from initlab.predictions.records import PredictionRequest, store_predictions
from initlab.results.reading import read_prediction
from initlab.spec.run import ModelSpec

MODEL = ModelSpec(n_layer=2, n_head=2, n_embd=32, block_size=16)


def request(
    init: str = "gpt2", activation: str = "gelu", batch: int = 4, model: ModelSpec = MODEL
) -> PredictionRequest:
    corpus = load_corpus("synthetic")
    return PredictionRequest(blueprint_for(model, init, activation, corpus.vocab_size), activation, corpus, batch)


def store(folder: Path, *requests: PredictionRequest) -> None:
    store_predictions(folder, {one.key: one for one in requests})


def test_a_prediction_is_stored_and_read_back(tmp_path: Path) -> None:
    one = request()
    store(tmp_path, one)
    stored_document = read_prediction(tmp_path, one.key)
    assert stored_document is not None
    predicted = finite(document(one.case, one.case.predict()))
    assert stored_document == {**predicted, "schema_version": 1, "key": one.key}
    assert stored_document["tokens"]["text"] == "synthetic"
    assert stored_document["tokens"]["batch"] == 4


def test_keys_tell_networks_texts_and_batches_apart() -> None:
    wide = MODEL.model_copy(update={"n_embd": 64})
    several = [request(), request("xavier"), request(activation="relu"), request(batch=5), request(model=wide)]
    assert len({one.key for one in several}) == len(several)
    assert request().key == request().key


def test_what_is_stored_stays_as_it_was_predicted(tmp_path: Path) -> None:
    one = request()
    store(tmp_path, one)
    (file,) = (tmp_path / "predictions").iterdir()
    before = file.stat().st_mtime_ns
    store(tmp_path, one, request("xavier"))
    assert file.stat().st_mtime_ns == before
    assert len(list((tmp_path / "predictions").iterdir())) == 2


def test_what_cannot_be_predicted_leaves_its_reason(tmp_path: Path) -> None:
    one = request("lsuv")
    store(tmp_path, one)
    stored_document = read_prediction(tmp_path, one.key)
    assert stored_document is not None
    assert "calibrated on data" in stored_document["reason"]


def test_a_theory_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: PredictionInput, method: str) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(PredictionInput, "predict", fail)
    one = request()
    store(tmp_path, one)
    assert (read_prediction(tmp_path, one.key) or {})["reason"] == "theory failed with ZeroDivisionError: planted"


def test_large_sweeps_get_the_closed_form_beyond_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LAYERS_EXACT", 4)
    several = [request(init) for init in ("gpt2", "xavier", "depth-scaled")]
    store(tmp_path, *several)
    methods = [(read_prediction(tmp_path, one.key) or {})["method"] for one in several]
    assert methods == ["per position", "per position", "closed form"]


def test_nothing_is_read_where_there_is_nothing(tmp_path: Path) -> None:
    assert read_prediction(tmp_path, "0" * 12) is None
    (tmp_path / "predictions").mkdir()
    assert read_prediction(tmp_path, "0" * 12) is None


def test_a_newer_prediction_is_named_and_a_damaged_one_made_again(tmp_path: Path) -> None:
    one = request()
    store(tmp_path, one)
    path = tmp_path / "predictions" / f"{one.key}.json"
    content = path.read_bytes()
    path.write_text('{"schema_version": 99}')
    with pytest.raises(InitlabError, match="upgrade initlab"):
        read_prediction(tmp_path, one.key)
    store(tmp_path, one)
    assert path.read_text() == '{"schema_version": 99}', "it is left to whoever wrote it"
    path.write_bytes(content[:-9])
    store(tmp_path, one)
    assert path.read_bytes() == content
    assert (tmp_path / "quarantine" / f"{path.name}-1").read_bytes() == content[:-9]
