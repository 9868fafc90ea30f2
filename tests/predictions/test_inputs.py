"""The document of a prediction: what it holds, in which units, and what its key knows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from initlab.data.corpus import Corpus
from initlab.files.json import finite
from initlab.predictions.inputs import document, growth_law, token_statistics
from initlab.theory.from_laws import Unpredictable
from initlab.theory.tokens import TokenStatistics
from tests.predictions.cases import case


def test_curves_have_the_lengths_that_are_promised() -> None:
    found = case()
    said = document(found, found.predict())
    assert (len(said["residual_ms"]), len(said["token_cosine"])) == (4, 4)
    assert (len(said["attn_ms"]), len(said["mlp_ms"]), len(said["attn_logit_std"])) == (3, 3, 3)
    assert {len(curve) for curve in said["sites"].values()} == {7}
    for name, band in said["bands"].items():
        curve = said["sites"].get(name, said.get(name))
        assert len(band) == (len(curve) if isinstance(curve, list) else 1)
    assert said["residual_ms"] == said["sites"]["residual_ms"][::2]
    assert said["growth"] == said["residual_ms"][-1] / said["residual_ms"][0]
    json.dumps(finite(said), allow_nan=False)


def test_the_stream_is_the_sum_of_what_is_added() -> None:
    """Branches are independent of the stream, so second moments add: 0.02² tokens + 0.02² positions at first."""
    found = case()
    said = document(found, found.predict())
    added = np.cumsum(np.array(said["attn_ms"]) + np.array(said["mlp_ms"]))
    assert said["residual_ms"][0] == pytest.approx(2 * 0.02**2)
    assert np.array(said["residual_ms"][1:]) == pytest.approx(2 * 0.02**2 + added)


def test_update_ratios_are_the_learning_rate_over_the_std() -> None:
    found = case("zero-residual")
    said = document(found, found.predict(), lr=1e-3)
    ratios = said["update_ratios"]
    assert ratios["token_embedding"] == pytest.approx({"least": 0.05, "most": 0.05})  # 1e-3 / 0.02
    assert ratios["attn_out"]["most"] == float("inf"), "it starts at zero"
    assert ratios["query"] == {"least": 0.0, "most": 0.0}, "nothing comes back through a zero"
    assert document(found, found.predict())["update_ratios"] is None


def test_the_closed_form_has_no_gradients_and_nearly_the_same_stream() -> None:
    found = case()
    full = document(found, found.predict())
    brief = document(found, found.predict("closed form"), "closed form")
    assert brief["method"] == "closed form"
    assert brief["sites"]["grad_ms"] is None
    assert brief["residual_ms"] == pytest.approx(full["residual_ms"], rel=0.15)


def test_the_key_knows_what_the_prediction_depends_on() -> None:
    one = case()
    others = [
        case("depth-scaled"),
        case(activation="relu"),
        case(n_layer=4),
        case(block_size=17),
        case(batch=5),
        replace(one, tokens=TokenStatistics.zipf(64)),
    ]
    assert case().key == one.key
    assert len({one.key, *(other.key for other in others)}) == 1 + len(others)


def test_laws_need_three_positive_values() -> None:
    found = growth_law([1.0, 2.0, 3.0])
    assert found is not None
    assert found.law == "linear"
    assert growth_law([1.0, 2.0]) is None
    assert growth_law([0.0, 1.0, 2.0]) is None


def test_what_theory_cannot_predict_is_said() -> None:
    with pytest.raises(Unpredictable, match="calibrated on data"):
        case("lsuv").predict()


def test_a_corpus_is_counted_for_the_model_that_reads_it() -> None:
    ids = np.array([0, 1] * 50, dtype=np.uint16)
    corpus = Corpus.of("ab", (ids, ids.copy()), tokenizer="ids", vocab_size=2)
    tokens = token_statistics(corpus, 7, 4)
    assert (tokens.vocab_size, tokens.collision) == (7, 0.5)
    assert tokens.lags[:4] == (0.0, 1.0, 0.0, 1.0)
