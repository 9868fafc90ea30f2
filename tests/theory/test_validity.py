"""Assumptions that do not hold are named."""

from initlab.theory.prediction import predict
from initlab.theory.theory_model import Attention, Matrix, TheoryModel
from initlab.theory.tokens import TokenStatistics
from tests.theory.network import LN, mlp, theory_model

TEXT = TokenStatistics.uniform(50)


def broken(network: TheoryModel, text: TokenStatistics = TEXT) -> set[str]:
    return {note.assumption for note in predict(network, text, backward=False).validity}


def test_nothing_to_say_of_a_plain_network() -> None:
    assert broken(theory_model(incoming=LN)) == set()


def test_a_note_explains_errors_of_a_size_and_no_larger() -> None:
    sharp, sharper = (
        Attention(query=Matrix(gain=g), key=Matrix(gain=g), value=Matrix(gain=1.0), out=Matrix(gain=1.0))
        for g in (2.0, 9.0)
    )
    notes = [predict(theory_model(incoming=LN, bodies=(body, mlp())), TEXT).validity[0] for body in (sharp, sharper)]
    assert [note.assumption for note in notes] == ["attention logits are small"] * 2
    assert [note.explains for note in notes] == [1.0, 4.0], "the sharper, the further off"
    assert "residual_ms" not in notes[0].affects
    assert "residual_ms" in notes[1].affects


def test_each_assumption() -> None:
    sharp = Attention(query=Matrix(gain=4.0), key=Matrix(gain=4.0), value=Matrix(gain=1.0), out=Matrix(gain=1.0))
    assert broken(theory_model(incoming=LN, bodies=(sharp, mlp()))) == {"attention logits are small"}
    assert broken(theory_model(incoming=LN, width=32)) == {"the network is wide"}
    assert broken(theory_model(incoming=LN), TokenStatistics(50, 0.02, (0.1,))) == {"tokens are independent"}
    assert broken(theory_model()) == {"branches read a stream of fixed scale"}
    assert broken(theory_model(incoming=LN, rotary=True)) == {"logits do not know positions"}
    assert broken(theory_model(incoming=LN, logit_softcap=0.5)) == {"the softcap is not reached"}
    assert broken(theory_model(incoming=LN, tied=True, token=1.0, head=2.0)) == {
        "the gradient is independent of the stream"
    }
    assert broken(theory_model(incoming=LN, head=9.0)) == {"the model has no opinion yet"}
    biased = Attention(
        query=Matrix(gain=0.3),
        key=Matrix(gain=0.3),
        value=Matrix(gain=1.0),
        out=Matrix(gain=1.0),
        position_bias=1.0,
    )
    assert broken(theory_model(incoming=LN, bodies=(biased, mlp()))) == {"attention is even over positions"}


def test_a_note_says_how_much_and_what_suffers() -> None:
    (note,) = predict(theory_model(incoming=LN, width=32), TEXT, backward=False).validity
    assert "32" in note.message
    assert "grad_ms" in note.affects
