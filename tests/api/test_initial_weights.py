"""A written checkpoint: the file that the document describes."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from initlab.api.initial_weights import weights
from initlab.errors import InitlabError

SIZES: dict[str, Any] = {"n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 65, "block_size": 16}


def test_the_document_describes_the_file(tmp_path: Path) -> None:
    written = weights("depth-scaled", tmp_path / "a.safetensors", format="hf-gpt2", seed=3, **SIZES)
    document, tensors = written.to_json(), load_file(written.path)
    assert document["tensors"] == len(tensors)
    assert document["sha256"] == hashlib.sha256(written.path.read_bytes()).hexdigest()
    assert document["config"]["n_layer"] == 2
    assert str(written.path) in repr(written)
    assert any("config of the model" in line for line in written.notes)


def test_a_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    weights("gpt2", tmp_path / "a", **SIZES)
    with pytest.raises(InitlabError, match="exists"):
        weights("gpt2", tmp_path / "a", **SIZES)
    weights("pytorch", tmp_path / "a", force=True, **SIZES)


def test_what_does_not_fit_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match="hf-llama"):
        weights("gpt2", tmp_path / "a", format="hf-llama", norm="layernorm", **SIZES)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dtype": "float16"}, "no number format 'float16'; did you mean 'bfloat16'"),
        ({"seed": -1}, "seed: expected a whole number from 0 to 2\\^63 - 1, got -1"),
    ],
)
def test_a_number_format_or_seed_that_there_is_not(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match=message):
        weights("gpt2", tmp_path / "a", **SIZES, **wrong)
