"""Assumptions that do not hold are named."""

import math
from typing import Any

import numpy as np

from initlab.theory.prediction import predict
from initlab.theory.theory_model import Attention, Matrix, TheoryModel
from initlab.theory.tokens import TokenStatistics
from initlab.theory.validity import ACCURACY
from tests.theory.network import LN, attention, mlp, theory_model

TEXT = TokenStatistics.uniform(50)
BATCH, WIDTH = 16, 256  # so large that one draw is like another
FEW = "one draw is much like another"


def network(**options: Any) -> TheoryModel:
    return theory_model(**{"width": WIDTH, **options})


def broken(model: TheoryModel, text: TokenStatistics = TEXT) -> set[str]:
    return {note.assumption for note in predict(model, text, batch=BATCH, backward=False).validity}


def test_nothing_to_say_of_a_plain_network() -> None:
    assert broken(network(incoming=LN)) == set()


def test_a_note_explains_errors_of_a_size_and_no_larger() -> None:
    sharp, sharper = (
        Attention(query=Matrix(gain=g), key=Matrix(gain=g), value=Matrix(gain=1.0), out=Matrix(gain=1.0))
        for g in (2.0, 9.0)
    )
    notes = [
        predict(network(incoming=LN, bodies=(body, mlp())), TEXT, batch=BATCH).validity[0]
        for body in (sharp, sharper)
    ]
    assert [note.assumption for note in notes] == ["attention logits are small"] * 2
    assert [note.explains for note in notes] == [1.0, 4.0], "the sharper, the further off"
    assert "residual_ms" not in notes[0].affects
    assert "residual_ms" in notes[1].affects


def test_each_assumption() -> None:
    sharp = Attention(query=Matrix(gain=4.0), key=Matrix(gain=4.0), value=Matrix(gain=1.0), out=Matrix(gain=1.0))
    assert broken(network(incoming=LN, bodies=(sharp, mlp()))) == {"attention logits are small"}
    assert broken(network(incoming=LN, width=48)) == {"the network is wide", FEW}
    assert broken(network(incoming=LN), TokenStatistics(50, 0.02, (0.1,))) == {"tokens are independent"}
    assert broken(network()) == {"branches read a stream of fixed scale"}
    assert broken(network(incoming=LN, rotary=True)) == {"logits do not know positions"}
    assert broken(network(incoming=LN, logit_softcap=0.5)) == {"the softcap is not reached"}
    assert broken(network(incoming=LN, tied=True, token=1.0, head=0.2)) == {
        "the gradient is independent of the stream"
    }
    assert broken(network(incoming=LN, head=4.5)) == {"the model has no opinion yet", FEW}
    biased = Attention(
        query=Matrix(gain=0.3),
        key=Matrix(gain=0.3),
        value=Matrix(gain=1.0),
        out=Matrix(gain=1.0),
        position_bias=1.0,
    )
    assert broken(network(incoming=LN, bodies=(biased, mlp()))) == {"attention is even over positions"}


def test_a_note_says_how_much_and_what_suffers() -> None:
    note, _ = predict(network(incoming=LN, width=48), TEXT, batch=BATCH, backward=False).validity
    assert "48" in note.message
    assert "grad_ms" in note.affects


def test_draws_that_differ_by_more_than_the_accuracy_are_named() -> None:
    """The mean of a few draws is then off without theory's being wrong: the note says so, and excuses nothing."""
    narrow, wide = network(incoming=LN, width=64), network(incoming=LN)
    few = predict(narrow, TEXT, backward=False)
    (note,) = few.validity
    assert note.assumption == FEW
    assert note.explains == 0
    for curve, accuracy in ACCURACY.items():
        values = np.atleast_1d(np.array(getattr(few, curve)))
        units = 1.0 if curve in ("token_cosine", "initial_loss") else values
        noisy = curve != "grad_ms" and 3 * (np.array(few.bands[curve]) / units).max() / math.sqrt(8) > accuracy
        assert (curve in note.affects) == noisy, curve
    assert predict(wide, TEXT, batch=BATCH, backward=False).validity == ()


def test_a_softcap_that_is_reached_is_a_matter_of_the_gradient_alone() -> None:
    """Logits and the loss know it: what is left is that the gradient takes its slope at the mean."""
    (note,) = predict(network(incoming=LN, logit_softcap=0.5), TEXT, batch=BATCH).validity
    assert note.affects == ("grad_ms",)


def test_sharp_rotary_logits_reach_the_cosine() -> None:
    plain, sharp = (
        predict(network(incoming=LN, rotary=True, bodies=(body, mlp())), TEXT, batch=BATCH, backward=False)
        for body in (attention(scale=0.1), attention(scale=2.0))
    )
    rotary = "logits do not know positions"
    affects = [next(note.affects for note in one.validity if note.assumption == rotary) for one in (plain, sharp)]
    assert affects == [("attn_ms",), ("attn_ms", "token_cosine", "grad_ms")]
