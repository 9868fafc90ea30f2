"""``weights``: the public document, the file, and mistakes."""

import hashlib
import json
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from tests.cli.run import initlab

SIZES = ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--vocab-size", "23"]


def test_the_document_and_the_file_agree(tmp_path: Path) -> None:
    out = tmp_path / "new" / "init.safetensors"
    done = initlab("weights", "nanogpt", "--format", "nanogpt", "-o", str(out), *SIZES, "--seed", "5", "--json")
    document = done.json
    assert set(document) == {
        *("schema_version", "path", "format", "init", "seed", "activation", "tensors", "parameters"),
        *("config", "needs", "sha256"),
    }
    assert (document["path"], document["format"], document["init"], document["seed"]) == (
        *(str(out), "nanogpt", "depth-scaled", 5),
    )
    assert document["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    tensors = load_file(out)
    # Tables, three norms, six matrices in four tensors, each with its bias, and the head once more.
    assert document["tensors"] == len(tensors) == 2 + 2 * 3 + 2 * 4 + 1
    # (23 + 8)·16 + 3·2·16 + 4·16² + 4·16 + 2·16·64 + 64 + 16
    assert document["parameters"] == 31 * 16 + 96 + 1024 + 64 + 2048 + 80
    assert document["needs"] == []
    with safe_open(out, framework="pt") as file:
        assert json.loads(file.metadata()["initlab"])["config"] == document["config"]


def test_people_are_told_what_their_trainer_must_do(tmp_path: Path) -> None:
    done = initlab("weights", "mup", "--format", "hf-llama", "-o", str(tmp_path / "m"), *SIZES)
    assert done.code == 0
    assert "parameters, sha256 " in done.out
    for words in ("rms_norm_eps=1e-05", "folded into the tensors: attn_scale", "must still honour multipliers, opt"):
        assert words in done.err
    silent = initlab("weights", "gpt2", "--format", "nanogpt", "-o", str(tmp_path / "g"), *SIZES)
    assert "honour" not in silent.err


def test_the_vocabulary_is_gpt2s_or_the_corpuss(tmp_path: Path) -> None:
    sizes = SIZES[:-2]
    initlab("weights", "gpt2", "-o", str(tmp_path / "plain"), *sizes)
    assert load_file(tmp_path / "plain")["token_embedding.weight"].shape == (50257, 16)
    initlab("weights", "lsuv", "-o", str(tmp_path / "synthetic"), *sizes, "--corpus", "synthetic")
    assert load_file(tmp_path / "synthetic")["token_embedding.weight"].shape == (64, 16)


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    out = tmp_path / "init.safetensors"
    out.write_text("precious")
    done = initlab("weights", "gpt2", "-o", str(out), *SIZES)
    assert done.code == 2
    assert "--force replaces it" in done.err
    assert out.read_text() == "precious"
    assert initlab("weights", "gpt2", "-o", str(out), *SIZES, "--force").code == 0
    assert "token_embedding.weight" in load_file(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt3"], "did you mean 'gpt2'"),
        (["gpt2", "--format", "hf-gtp2"], "did you mean 'hf-gpt2'"),
        (["deepnorm", "--format", "nanogpt"], 'the network norm_at = "post"'),
        (["gpt2", "--activation", "gelo"], "did you mean 'gelu'"),
        (["gpt2", "--n-layer", "1,2"], "expected one value"),
        (["gpt2", "--corpus", "sinthetic"], "did you mean 'synthetic'"),
        (["gpt2", "--corpus", "synthetic", "--vocab-size", "23"], "vocab_size"),
    ],
)
def test_mistakes_exit_2_and_write_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = initlab("weights", *arguments, "-o", str(tmp_path / "init.safetensors"))
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    done = initlab("weights", "gpt2", "-o", str(tmp_path), *SIZES)
    assert done.code == 2
    assert "is a folder" in done.err
