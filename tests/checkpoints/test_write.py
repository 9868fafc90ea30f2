"""The file: atomic, the same bytes every time, readable by others, and never written over another by accident."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from initlab.checkpoints.build import Checkpoint, build_checkpoint
from initlab.checkpoints.resolution import CheckpointSpec
from initlab.checkpoints.write import check_target, write_checkpoint
from initlab.errors import InitlabError
from initlab.spec.run import ModelSpec

SIZES = ModelSpec(n_layer=1, n_head=2, n_embd=16, block_size=8)
REQUEST = CheckpointSpec(format="nanogpt", model=SIZES, init="depth-scaled", vocab_size=23)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return build_checkpoint(REQUEST)


def test_what_is_written_is_read(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "init.safetensors"
    digest = write_checkpoint(path, checkpoint)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = load_file(path)
    assert loaded.keys() == checkpoint.contents.tensors.keys()
    assert all(torch.equal(loaded[name], x) for name, x in checkpoint.contents.tensors.items())
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == checkpoint.metadata
    assert [item.name for item in tmp_path.iterdir()] == ["init.safetensors"]


WRITE = """
import sys
from pathlib import Path
from initlab.checkpoints.build import build_checkpoint
from initlab.checkpoints.resolution import CheckpointSpec
from initlab.checkpoints.write import write_checkpoint
from initlab.spec.run import ModelSpec
sizes = ModelSpec(n_layer=1, n_head=2, n_embd=16, block_size=8)
spec = CheckpointSpec(format="nanogpt", model=sizes, init=sys.argv[2], vocab_size=23)
print(write_checkpoint(Path(sys.argv[1]), build_checkpoint(spec)))
"""


def test_the_same_checkpoint_is_the_same_bytes_in_every_process(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def elsewhere(name: str, init: str = "depth-scaled") -> str:
        command = [sys.executable, "-c", WRITE, str(tmp_path / name), init]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()

    here = write_checkpoint(tmp_path / "here", checkpoint)
    assert {elsewhere("one"), elsewhere("two")} == {here}
    assert elsewhere("three", "gpt2") != here


BYTES = {
    ("nanogpt", "depth-scaled"): "a63eb89b6d5ed7ee2185c61a5d59c4f8d1f202403c8de2238d35d068836297b0",
    ("nanogpt", "completep"): "0bdb4d24ebc92c9f66c8436276bddc8961b071a0468ecb513dc896fdfd16ff65",
    ("hf-gpt2", "pytorch"): "172257fe3518bb50225af01ce717f98773088d44bd934bd217bef991b6a4d2f6",
    ("hf-gpt2", "layernorm-scaling"): "6eb35ec1a78581893920b6d94a20131599ec42e17efb3f7baa76ca9e81d6c7fb",
    ("hf-gpt2", "neox"): "8967bfe8b4009b04daf9f5171c5f5065f63022b8e522b6f23147de07b926d44c",
    ("hf-llama", "gemma"): "c925f01675642782576e0e0ec257a470d388a66e2a13aab9a76584f872577f9a",
    ("hf-llama", "mup"): "b7b38d45a6dd424c6f96c68a23787efd28cb8b1afead880608c8c7145e0b2e7a",
    ("hf-llama", "torchtitan"): "16cd8786b9fd8503f82cb1c545bee2e228ae5162d3e4bdf50dca9c368528aa8f",
    ("initlab", "spectral"): "1f281d69a9e7d1d28f0d901e97748776d88d7fc3977917aa44fa6a25fe2df198",
    ("initlab", "u-mup"): "35170c6b2c89f7162f9a50961b27d1512fa820a027a0cd6e090ec9b8a8ba67b2",
}
"""sha256 of files of version 0.1.0, u-mup's since its norms have no gain. They hold draws of torch's generator,
scaled and stacked: no product, whose last bits would depend on the machine."""


@pytest.mark.parametrize(("format_", "init"), BYTES, ids=str)
def test_a_version_of_the_code_is_no_reason_for_other_bytes(
    format_: str, init: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("initlab.checkpoints.build.versions", lambda: {"initlab": "0.1.0"})
    model = ModelSpec(n_layer=2, n_head=4, n_embd=32, block_size=12, vocab_size=23)
    spec = CheckpointSpec(format=format_, model=model, init=init, vocab_size=23)
    assert write_checkpoint(tmp_path / "init.safetensors", build_checkpoint(spec)) == BYTES[format_, init]


def test_a_failed_write_leaves_what_was_there(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "init.safetensors"
    path.write_text("what was there")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("safetensors.torch.save_file", full)
        with pytest.raises(InitlabError, match="No space left on device"):
            write_checkpoint(path, checkpoint)
    assert [item.read_text() for item in tmp_path.iterdir()] == ["what was there"]
    write_checkpoint(path, checkpoint)
    assert path.stat().st_size > 1000


def test_the_file_is_as_readable_as_any_other(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "init.safetensors", checkpoint)
    (tmp_path / "other").touch()
    assert (tmp_path / "init.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_targets(tmp_path: Path) -> None:
    file = tmp_path / "init.safetensors"
    check_target(file, force=False)
    check_target(tmp_path / "new" / "folders" / "init.safetensors", force=False)
    assert (tmp_path / "new" / "folders").is_dir()
    file.touch()
    check_target(file, force=True)
    with pytest.raises(InitlabError, match="--force replaces it"):
        check_target(file, force=False)
    for force in (True, False):
        with pytest.raises(InitlabError, match="is a folder"):
            check_target(tmp_path, force=force)
    with pytest.raises(InitlabError, match="cannot write"):
        check_target(file / "below.safetensors", force=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_nobody_may_write_in(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(InitlabError, match="no permission"):
        check_target(locked / "init.safetensors", force=False)
