"""``initlab predict``: documents, numbers worked out by hand, plots that fit, and one message for what has none."""

import json
from pathlib import Path

import pytest

from tests.cli.run import initlab

SMALL = ["--n-layer", "3", "--n-embd", "64", "--block-size", "32", "--vocab-size", "128"]


def test_the_document_has_what_was_fixed_from_the_start() -> None:
    said = initlab("predict", "gpt2", *SMALL, "--json").json
    assert said["schema_version"] == 1
    assert said["init"] == "gpt2"
    assert (said["dims"]["n_layer"], said["dims"]["vocab_size"]) == (3, 128)
    lengths = {"residual_ms": 4, "token_cosine": 4, "attn_ms": 3, "mlp_ms": 3}
    assert {name: len(said[name]) for name in lengths} == lengths
    assert said["growth"] == pytest.approx(said["residual_ms"][-1] / said["residual_ms"][0])
    assert said["residual_ms"][0] == pytest.approx(2 * 0.02**2)  # tokens and positions
    assert said["initial_loss"] == pytest.approx(4.852, abs=0.05)  # ln 128
    assert said["growth_law"]["law"] == "linear"
    assert said["update_ratios"]["query"]["most"] == pytest.approx(0.05)  # 1e-3 / 0.02


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_terminal_that_knows_ascii_only_has_a_likeness(more: list[str]) -> None:
    said = initlab("predict", "gpt2", *SMALL, *more, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert said.code == 0, said.err
    assert said.out.isascii()
    assert more or "growth" in said.out


def test_gpt2s_vocabulary_and_uniform_tokens_are_what_nobody_asked_for() -> None:
    said = initlab("predict", "gpt2", "--json").json
    assert said["dims"]["vocab_size"] == 50257
    assert said["tokens"]["collision"] == pytest.approx(1 / 50257)


def test_tokens_change_the_prediction(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abcab" * 400)
    said = {
        name: initlab("predict", "gpt2", "--n-layer", "1", "--tokens", name, *more, "--json", cwd=tmp_path).json
        for name, more in (("zipf", []), ("synthetic", []), ("text.txt", ["--tokenizer", "char"]))
    }
    assert said["zipf"]["tokens"]["collision"] > 0.01  # (π²/6) / H_V² = 1.64/11.4²
    assert said["synthetic"]["dims"]["vocab_size"] == 64
    assert said["text.txt"]["dims"]["vocab_size"] == 3
    assert said["text.txt"]["tokens"]["collision"] == pytest.approx(0.4**2 + 0.4**2 + 0.2**2, abs=0.01)
    assert "tokens are independent" not in str(said["zipf"]["validity"])


def test_inits_stand_side_by_side() -> None:
    done = initlab("predict", "gpt2", "--compare", "depth-scaled,normal:std=0.03,depth=inv-l", *SMALL, "--json")
    names = [one["init"] for one in done.json["predictions"]]
    assert names == ["gpt2", "depth-scaled", "normal:depth=inv-l,std=0.03"]
    text = initlab("predict", "gpt2", "--compare", "depth-scaled", *SMALL, COLUMNS="80").out
    assert "gpt2 | depth-scaled · gelu" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_size_is_walked_with_the_law_it_follows() -> None:
    arguments = ["predict", "gpt2", "--over", "n_layer=2,4,8", "--n-embd", "64", "--block-size", "32"]
    said = initlab(*arguments, "--json").json
    assert [one["dims"]["n_layer"] for one in said["predictions"]] == [2, 4, 8]
    assert said["over"]["laws"][0]["growth_law"]["law"] == "linear"
    text = initlab(*arguments).out
    assert "growth over n_layer: linear, R² = 1.000" in text
    assert len(initlab("predict", "gpt2", "--over", "n_layer=2..5", "--json").json["predictions"]) == 4


def test_the_text_fits_a_narrow_terminal_and_needs_no_colour() -> None:
    text = initlab("predict", "gpt2", *SMALL, COLUMNS="80").out
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for word in ("residual second moment (log scale)", "growth", "law", "loss at init", "update/weight", "± "):
        assert word in text
    assert any(0x2801 <= ord(letter) <= 0x28FF for letter in text)


def test_broken_assumptions_are_said_in_words() -> None:
    text = " ".join(initlab("predict", "gpt2:std=0.3", *SMALL).out.split())
    assert "not so: attention logits are small" in text
    narrow = initlab("predict", "gpt2", *SMALL).out
    assert "attention logits are small" not in narrow
    assert "not so: one draw is much like another" in narrow, "64 channels scatter by more than theory's accuracy"
    assert "not so" not in initlab("predict", "gpt2", *SMALL, "--n-embd", "256").out


def test_notes_on_the_logits_are_told() -> None:
    out = " ".join(initlab("predict", "gpt2", *SMALL, "--vocab-size", "5").out.split())
    assert "of logit_var" in out, "5 rows of a head scatter by more than theory's accuracy"
    assert "logits)" in out


def test_the_target_is_told() -> None:
    arguments = ["predict", "gpt2", *SMALL, "--target", "n_embd=576,n_layer=6"]
    assert initlab(*arguments, "--json").json["target"]["offer"] == "gpt2:std=0.06"
    assert "growth" in initlab(*arguments).out
    assert "at 6 × 576" in initlab(*arguments).out


@pytest.mark.parametrize("init", ["lsuv", "admin", "mimetic", "looks-linear"])
def test_what_has_no_prediction_says_so_once(init: str) -> None:
    for arguments in ([init], ["gpt2", "--compare", init]):
        done = initlab("predict", *arguments, *SMALL, "--json")
        assert done.code == 2
        assert done.out == ""
        assert done.err.count("\n") == 1
        assert done.err.startswith(f"error: {init}: no prediction: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt3"], "did you mean"),
        (["gpt2", "--tokens", "no-such-corpus"], "no corpus and no file"),
        (["gpt2", "--over", "n_layr=2,3"], "did you mean 'n_layer'"),
        (["gpt2", "--n-layer", "2,3"], "expected one value"),
        (["gpt2", "--target", "n_layr=3"], "--target n_layr=3: no size 'n_layr'; did you mean 'n_layer'"),
        (["gpt2", "--target", "n_layer=x"], "expected a whole number"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], message: str) -> None:
    done = initlab("predict", *arguments)
    assert done.code == 2
    assert message in done.err


def test_the_json_is_one_document_that_anything_can_read() -> None:
    done = initlab("predict", "zero-residual", *SMALL, "--json")
    assert json.loads(done.out, parse_constant=pytest.fail)["update_ratios"]["attn_out"]["most"] is None  # 1 / 0
